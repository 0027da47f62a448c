"""The load for benchmarks.intake: a lean process of its own, so that its work is not measured as the server's.

`python -m benchmarks.intake_load PORT REQUESTS CONNECTIONS` (INTAKE_SECRET set) makes every request before the first is
sent, sends them over keep-alive connections, and prints one JSON object: seconds, answers by status, latencies (ms).
"""

from __future__ import annotations

import asyncio
import gc
import hashlib
import hmac
import json
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator

SIZE = 12_000

_LINKS = tuple(f"resource_{number}" for number in range(40))


def requests(secret: str, count: int) -> list[bytes]:
    """`count` signed HTTP requests, each of its own delivery id and body of 12 kB."""
    return [_request(secret.encode(), number) for number in range(count)]


def payload(number: int) -> bytes:
    """An `issues.labeled` body in GitHub's shape and size."""
    repository = {f"{link}_url": f"https://api.github.com/repos/acme/calc/{link}{{/sha}}" for link in _LINKS}
    issue = {"number": number, "title": "add() is off by one", "body": "", "user": _user("reporter")}
    data = {
        "action": "labeled",
        "issue": issue,
        "label": {"id": 1, "name": "autofix", "color": "ededed", "default": False},
        "repository": repository | {"id": 7, "full_name": "acme/calc", "owner": _user("acme"), "at": time.time()},
        "sender": _user("maintainer"),
        "installation": {"id": 5},
    }
    issue["body"] = "word " * ((SIZE - len(json.dumps(data))) // 5)
    return json.dumps(data).encode()


def _user(login: str) -> dict[str, object]:
    links = (
        "followers",
        "following",
        "gists",
        "starred",
        "subscriptions",
        "orgs",
        "repos",
        "events",
        "received_events",
    )
    return {"login": login, "id": 1} | {f"{link}_url": f"https://api.github.com/users/{login}/{link}" for link in links}


def _request(secret: bytes, number: int) -> bytes:
    body = payload(number)
    head = (
        "POST /webhooks/github HTTP/1.1\r\nHost: localhost\r\nUser-Agent: GitHub-Hookshot/1\r\nAccept: */*\r\n"
        f"Content-Type: application/json\r\nX-GitHub-Event: issues\r\nX-GitHub-Delivery: {uuid.uuid4()}\r\n"
        f"X-Hub-Signature-256: sha256={hmac.digest(secret, body, hashlib.sha256).hex()}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Sender(asyncio.Protocol):
    """One connection: sends the next request as soon as the last one is answered."""

    def __init__(self, work: Iterator[bytes], statuses: Counter[int], latencies: list[float]) -> None:
        self._work, self._statuses, self._latencies = work, statuses, latencies
        self._buffer = b""
        self._sent = 0.0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        """Count an answer that is complete."""
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found or len(rest) < _length(head):
            return
        self._latencies.append((time.perf_counter() - self._sent) * 1000)
        self._statuses[int(head[9:12])] += 1
        self._buffer = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop; the count of answers shows what is missing."""
        if not self.done.done():
            self.done.set_result(None)

    def _next(self) -> None:
        request = next(self._work, None)
        if request is None:
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)


def _length(head: bytes) -> int:
    lower = head.lower()
    start = lower.index(b"content-length:") + len(b"content-length:")
    return int(lower[start:].split(b"\r\n", 1)[0])


async def send(port: int, work: list[bytes], connections: int) -> dict[str, object]:
    """Send every request of `work`; returns seconds, statuses and latencies."""
    loop = asyncio.get_running_loop()
    statuses: Counter[int] = Counter()
    latencies: list[float] = []
    queue = iter(work)
    began = time.perf_counter()
    opened = [
        await loop.create_connection(lambda: Sender(queue, statuses, latencies), "127.0.0.1", port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(protocol.done for _, protocol in opened))
    return {"seconds": time.perf_counter() - began, "statuses": dict(statuses), "latencies": latencies}


def main() -> None:
    """Warm up with a tenth more, then send and print."""
    port, count, connections = map(int, sys.argv[1:4])
    work = requests(os.environ["INTAKE_SECRET"], count + count // 10)
    gc.disable()
    warm = asyncio.run(send(port, work[count:], connections))
    result = asyncio.run(send(port, work[:count], connections))
    print(json.dumps(result | {"warm": warm["statuses"]}))


if __name__ == "__main__":
    main()
