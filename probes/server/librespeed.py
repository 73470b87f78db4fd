"""What LibreSpeed's clients ask of a server; its factor of 1.06 is the clients' affair."""

from .exchange import Exchange
from .requests import Answer, RefusedError
from .transfers import pour

_MIB = 1 << 20
_DEFAULT_MIB, _MOST_MIB = 4, 1024
_CORS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST",
    "Access-Control-Allow-Headers": "Content-Encoding, Content-Type",
}


def garbage(exchange: Exchange) -> None:
    """Send as many MiB of random bytes as `ckSize` says."""
    if exchange.request.method == "OPTIONS":
        return _preflight(exchange)
    asked = exchange.request.query.get("ckSize", str(_DEFAULT_MIB))
    if not (asked.isascii() and asked.isdigit()) or not 1 <= int(asked[:5]) <= _MOST_MIB:
        raise RefusedError(400)
    size = int(asked) * _MIB
    with exchange.transfer("librespeed", "download") as flow:
        exchange.begin_stream("application/octet-stream", size, _cors(exchange))
        flow.ended = pour(exchange.sock, flow, exchange.watch(), size)
        exchange.keep = exchange.keep and flow.ended == "complete"
    return None


def empty(exchange: Exchange) -> None:
    """Answer nothing: to a ping at once, to an upload when all of it has come."""
    request = exchange.request
    if request.method == "OPTIONS":
        return _preflight(exchange)
    if request.method == "POST" and exchange.sink("librespeed") is None:
        return None
    return exchange.answer(Answer(headers=_cors(exchange)))


def own_address(exchange: Exchange) -> None:
    """Tell a client its own address, in LibreSpeed's words; nobody else is asked about it."""
    exchange.answer_json({"processedString": exchange.ip, "rawIspInfo": ""})


def _preflight(exchange: Exchange) -> None:
    exchange.answer(Answer(status=204, headers=_CORS))


def _cors(exchange: Exchange) -> dict[str, str]:
    return _CORS if "cors" in exchange.request.query else {}
