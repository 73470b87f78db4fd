"""The field agent: measure again and again, lose nothing, and say what was not measured."""
