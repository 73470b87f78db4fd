"""
Who can be reached over IPv6, and whether public services answer.

`messages` reads DNS, `resolver` asks, `names` follows a name to checked addresses; `web` and
`mail` connect over one family at a time; `host` puts one host's findings together, `audit` does
that for a list. `path` looks closer with scapy, `services` asks a catalogue of services.
"""
