"""What speedtest-cli asks of a Speedtest Mini server (``speedtest-cli --mini``)."""

from .exchange import Exchange
from .requests import Answer, RefusedError
from .transfers import pour

# How long the pictures of the original are, by the length of their sides.
PICTURE_BYTES = {
    350: 245_388,
    500: 505_544,
    750: 1_118_012,
    1000: 1_986_284,
    1500: 4_468_241,
    2000: 7_907_740,
    2500: 12_407_926,
    3000: 17_816_816,
    3500: 24_262_167,
    4000: 31_625_365,
}
PICTURE_PATHS = {
    f"/speedtest/random{side}x{side}.jpg": size for side, size in PICTURE_BYTES.items()
}

_INDEX = b"""<!doctype html>
<meta charset="utf-8">
<title>phusong</title>
<p>phusong probe serve</p>
<script type="text/plain">upload_extension: "php"</script>
"""
_CONFIG = """<?xml version="1.0" encoding="UTF-8"?>
<settings>
<client ip="{ip}" lat="0" lon="0" isp="" isprating="0" rating="0" country=""/>
<server-config threadcount="4" ignoreids="" forcepingid="" preferredserverid=""/>
<times/>
<download testlength="10" initialtest="250K" mintestsize="250K" threadsperurl="4"/>
<upload testlength="10" ratio="5" initialtest="0" mintestsize="32K" threads="2" maxchunksize="512K"
 maxchunkcount="50" threadsperurl="4"/>
<latency testlength="10" waittime="50" timeout="20"/>
</settings>
"""


def index(exchange: Exchange) -> None:
    """Give the page on which a client looks for the upload's kind."""
    exchange.answer(Answer(body=_INDEX, kind="text/html; charset=utf-8"))


def config(exchange: Exchange) -> None:
    """Give the settings that a client otherwise asks the service's own site for."""
    body = _CONFIG.format(ip=exchange.ip.split("%")[0]).encode("ascii")
    exchange.answer(Answer(body=body, kind="text/xml"))


def latency(exchange: Exchange) -> None:
    """Answer a ping."""
    exchange.answer(Answer(body=b"test=test"))


def picture(exchange: Exchange) -> None:
    """Send random bytes, as many as the picture of that name has."""
    size = PICTURE_PATHS[exchange.request.path]
    with exchange.transfer("speedtest-mini", "download") as flow:
        exchange.begin_stream("image/jpeg", size)
        flow.ended = pour(exchange.sock, flow, exchange.watch(), size)
        exchange.keep = exchange.keep and flow.ended == "complete"


def upload(exchange: Exchange) -> None:
    """Take an upload, and say how long it was."""
    if exchange.request.body_bytes == 0:
        raise RefusedError(400)
    size = exchange.sink("speedtest-mini")
    if size is not None:
        exchange.answer(Answer(body=f"size={size}".encode("ascii")))
