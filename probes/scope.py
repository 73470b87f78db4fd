"""How much of a visit is made: all of it, or what a data cap leaves."""

from enum import StrEnum


class Scope(StrEnum):
    """How much of a visit is made."""

    WHOLE = "whole"
    DOWNLOAD = "download"
    LATENCY = "latency"


RULES = {
    Scope.DOWNLOAD: "latency, then one download that ends once its estimate is steady; no upload",
    Scope.LATENCY: "latency alone",
}
