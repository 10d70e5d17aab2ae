"""The PyPI package websockets against an app behind the ingress.

    websocket.py ADDRESS HOST
"""

import asyncio
import sys

import websockets


async def main():
    address, host = sys.argv[1:]
    name, port = address.rsplit(":", 1)
    async with websockets.connect(f"ws://{host}:{port}/socket", host=name, port=int(port), max_size=2**22, open_timeout=20) as socket:
        for message in ("one", "zwei", b"\x00\x01\x02", "x" * 1_000_000):
            await socket.send(message)
            came = await asyncio.wait_for(socket.recv(), 20)
            if came != message:
                sys.exit(f"{message[:20]!r} came back as {came[:20]!r}")
        waiter = await socket.ping()
        await asyncio.wait_for(waiter, 20)
    if socket.close_code != 1000:
        sys.exit(f"the WebSocket ended with {socket.close_code}")
    print("text, binary, a megabyte, a ping, an end in good order")


asyncio.run(main())
