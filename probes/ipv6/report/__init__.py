"""The report on IPv6 adoption: its command."""
