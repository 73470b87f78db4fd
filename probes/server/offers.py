"""What the server tells about itself: echo and engines, receipts, metrics, responsiveness."""

import time
from ipaddress import ip_address

from ..echo import new_token
from .exchange import Exchange
from .limits import MAX_FLOWS
from .metrics import CONTENT_TYPE
from .receipts import receipt_of
from .requests import Answer, RefusedError

ENGINES = ("multistream", "ndt7")
_WIRE_VERSION = 1


def echo(exchange: Exchange) -> None:
    """Offer the UDP echo to this address, and say what else can be measured with."""
    hub = exchange.hub
    exchange.answer_json(
        {
            "token": new_token(hub.secret, exchange.ip, time.monotonic()).hex(),
            "version": _WIRE_VERSION,
            "engines": ENGINES,
            "max_flows": MAX_FLOWS,
            "max_s": hub.limits.max_runtime_s,
            "max_bytes": hub.limits.max_test_bytes,
        }
    )


def receipt(exchange: Exchange) -> None:
    """Give what was counted of a test to whoever knows its id."""
    hub = exchange.hub
    test_id = exchange.request.query.get("test")
    if test_id is None:
        raise RefusedError(400)
    answer = hub.signer.answer(receipt_of(hub.ledger.find(test_id), hub.utc()))
    hub.metrics.add("phusong_receipts_total", signed=str(bool(answer["signature"])).lower())
    exchange.answer_json(answer)


def responsiveness(exchange: Exchange) -> None:
    """Give the addresses of draft-ietf-ippm-responsiveness, under the name we were asked by."""
    host = exchange.request.host
    base = f"{'https' if exchange.hub.tls else 'http'}://{host}"
    exchange.answer_json(
        {
            "version": 1,
            "test_endpoint": host,
            "urls": {
                "small_download_url": f"{base}/phusong/v1/small",
                "large_download_url": f"{base}/phusong/v1/download",
                "upload_url": f"{base}/empty.php",
            },
        }
    )


def small(exchange: Exchange) -> None:
    """Give one byte: what a round trip of HTTP is timed with."""
    exchange.answer(Answer(body=b"x", kind="application/octet-stream"))


def metrics(exchange: Exchange) -> None:
    """Give the counters; on the port of the measurements only to this machine itself."""
    hub = exchange.hub
    if hub.metrics_apart or not ip_address(exchange.ip.split("%")[0]).is_loopback:
        raise RefusedError(404)
    metrics_apart(exchange)


def metrics_apart(exchange: Exchange) -> None:
    """Give the counters to whoever reaches the port that was opened for them."""
    exchange.answer(Answer(body=exchange.hub.metrics.text(), kind=CONTENT_TYPE))
