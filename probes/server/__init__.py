"""The far end of a measurement: every engine's server and a UDP echo in one process."""

from .exchange import FinishedTest
from .limits import ServerLimits
from .listeners import ListenError, read_bind
from .service import MeasurementServer

__all__ = ["FinishedTest", "ListenError", "MeasurementServer", "ServerLimits", "read_bind"]
