"""
The link lab: two network namespaces and a link between them that is as slow and bad as asked.

It stands beside the benchmarks because both they and tests/lab use it, and because what is in
this folder is not part of the package: it needs root, /dev/net/tun and a C compiler.
"""

from .host import Host, LabError
from .lab import Lab, Link, why_not
from .network import Network, why_no_namespaces
from .wire import Wire

__all__ = ["Host", "Lab", "LabError", "Link", "Network", "Wire", "why_no_namespaces", "why_not"]
