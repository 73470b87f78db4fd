"""What this machine can measure, what is missing, and how to get it."""
