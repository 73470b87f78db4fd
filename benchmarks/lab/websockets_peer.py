"""What the `websockets` library moves over TLS on loopback: print Mbit/s down and up as JSON."""

import asyncio
import json
import multiprocessing
import ssl
import sys
import time

import websockets

PORT = 5298
MESSAGE = bytes(1 << 20)
# On a busy machine its own deadlines are no part of what is compared.
PATIENT = {"open_timeout": 20, "ping_interval": None}


async def handle(connection: "websockets.ServerConnection") -> None:
    try:
        if connection.request and connection.request.path == "/down":
            while True:
                await connection.send(MESSAGE)
        async for _ in connection:
            pass
    except websockets.ConnectionClosed:
        return


def serve(certificate: str, key: str, ready: "multiprocessing.synchronize.Event") -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def run() -> None:
        options = {"ssl": context, "max_size": None, "compression": None} | PATIENT
        async with websockets.serve(handle, "127.0.0.1", PORT, **options):
            ready.set()
            await asyncio.Future()

    asyncio.run(run())


async def measure(way: str, certificate: str, seconds: float) -> float:
    context = ssl.create_default_context(cafile=certificate)
    url = f"wss://127.0.0.1:{PORT}/{way}"
    options = {"ssl": context, "max_size": None, "compression": None} | PATIENT
    async with websockets.connect(url, **options) as connection:
        started, moved = time.monotonic(), 0
        while time.monotonic() - started < seconds:
            if way == "down":
                moved += len(await connection.recv())
            else:
                await connection.send(MESSAGE)
                moved += len(MESSAGE)
        took = time.monotonic() - started
        connection.transport.abort()
    return moved * 8e-6 / took


def main() -> None:
    certificate, key, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
    ready = multiprocessing.Event()
    server = multiprocessing.Process(target=serve, args=(certificate, key, ready), daemon=True)
    server.start()
    ready.wait(20)
    rates = {way: asyncio.run(measure(way, certificate, seconds)) for way in ("down", "up")}
    server.terminate()
    print(json.dumps(rates))


if __name__ == "__main__":
    main()
