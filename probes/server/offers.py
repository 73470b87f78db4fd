"""What the server tells about itself: echo and engines, receipts, metrics, responsiveness."""

import time

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
    """
    Give the addresses of draft-ietf-ippm-responsiveness, under the name we were asked by.

    Clients of the draft's first versions look for other names, which promise TLS; a client
    has to pass over names that it does not know.
    """
    scheme = "https" if exchange.secure else "http"
    base = f"{scheme}://{exchange.request.host}"
    small, large = f"{base}/phusong/v1/small", f"{base}/phusong/v1/download"
    upload = f"{base}/empty.php"
    urls = {"small_download_url": small, "large_download_url": large, "upload_url": upload}
    if exchange.secure:
        urls["small_https_download_url"] = small
        urls["large_https_download_url"] = large
        urls["https_upload_url"] = upload
    exchange.answer_json({"version": 1, "urls": urls})


def small(exchange: Exchange) -> None:
    """Give one byte: what a round trip of HTTP is timed with."""
    exchange.answer(Answer(body=b"x", kind="application/octet-stream"))


def metrics(exchange: Exchange) -> None:
    """Give the counters; on the port of the measurements only to this machine itself."""
    if exchange.hub.metrics_apart or not exchange.from_this_machine:
        raise RefusedError(404)
    metrics_apart(exchange)


def metrics_apart(exchange: Exchange) -> None:
    """Give the counters to whoever reaches the port that was opened for them."""
    exchange.answer(Answer(body=exchange.hub.metrics.text(), kind=CONTENT_TYPE))
