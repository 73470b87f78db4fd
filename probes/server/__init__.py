"""The far end of a measurement: ndt7 and a UDP echo in one process."""

from .service import ListenError, MeasurementServer, ServerLimits

__all__ = ["ListenError", "MeasurementServer", "ServerLimits"]
