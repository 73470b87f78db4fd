"""What a server of ours says that it can do: the UDP echo, and several connections."""

import json
from dataclasses import dataclass
from typing import Any

from .echo import OFFER_PATH, TOKEN_BYTES
from .fetch import fetch
from .interface import Address, AttemptError, Limits, Target

_MAX_FLOWS = 16


@dataclass(frozen=True, slots=True)
class Offer:
    """The token for the UDP echo; how many flows of multistream there may be, 0 for none."""

    token: bytes
    max_flows: int


def ask_offer(target: Target, address: Address, limits: Limits) -> Offer | None:
    """
    Ask a server what it offers; None where it is not one of ours, as M-Lab's are not.

    The echo is at the same address and port number, wherever the answer points.
    """
    try:
        answer = fetch(target, address, OFFER_PATH, limits)
    except AttemptError:
        return None
    return _read(answer.body) if answer.status == 200 else None


def _read(body: bytes) -> Offer | None:
    try:
        offer: Any = json.loads(body)
        token = bytes.fromhex(offer["token"])
        engines, flows = offer.get("engines", ()), offer.get("max_flows", 0)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    if len(token) != TOKEN_BYTES:
        return None
    offered = isinstance(engines, list) and "multistream" in engines
    usable = offered and isinstance(flows, int) and flows >= 1
    return Offer(token, min(int(flows), _MAX_FLOWS) if usable else 0)
