"""Measure the network, prove the coverage: probes, store, joins, verdicts and maps."""

__version__ = "0.1.0"
