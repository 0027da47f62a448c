"""A server of JSON answers of any shape, for what no well-behaved model server sends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def raw_server(*answers: tuple[int, object]) -> AsyncIterator[tuple[str, list[dict[str, Any]]]]:
    """Serve JSON answers of any shape, one a connection; yields the address and the bodies that were asked."""
    waiting, asked = list(answers), list[dict[str, Any]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        asked.append(json.loads(await reader.readexactly(length)))
        status, body = waiting.pop(0)
        data = json.dumps(body).encode()
        start = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n"
        writer.write(start.encode() + f"content-length: {len(data)}\r\n\r\n".encode() + data)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
