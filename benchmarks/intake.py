"""`intake`: signed 12 kB `issues.labeled` at 16 keep-alive connections against a real server process on SQLite.

Every answer is 202 after a durable commit (synchronous=FULL); the benchmark counts the rows to show it. Run by
`python -m benchmarks intake [--requests N]`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from bot.store import Store

SECRET = "benchmark-secret"
CONNECTIONS = 16


def run(arguments: list[str]) -> Iterable[Figure]:
    """Measure; yields requests a second, p50, p99, memory and how many answers are stored."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks intake")
    parser.add_argument("--requests", type=int, default=6000)
    count = parser.parse_args(arguments).requests
    with (
        tempfile.TemporaryDirectory(prefix="fettle-intake-") as folder,
        _server(Path(folder)) as (process, port, ready),
    ):
        yield Figure("intake.ready", ready, "s", "< 2")
        result = _load(port, count)
        latencies = sorted(result["latencies"])
        yield Figure("intake.requests", len(latencies) / result["seconds"], "1/s", ">= 1500")
        yield Figure("intake.p50", statistics.median(latencies), "ms")
        yield Figure("intake.p99", latencies[int(len(latencies) * 0.99)], "ms", "< 15")
        yield Figure("intake.rss", _rss(process.pid), "MB")
        accepted = result["statuses"].get("202", 0) + result["warm"].get("202", 0)
        stored = asyncio.run(_stored(Path(folder)))
        yield Figure("intake.stored", stored, "deliveries", f"= {accepted} answered 202", stored / accepted, "answers")


@contextmanager
def _server(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int, float]]:
    port = _free_port()
    began = time.perf_counter()
    command = [str(Path(sys.executable).with_name("fettle")), "serve", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, env=_environment(folder)) as process:
        try:
            yield process, port, _wait_ready(process, port) - began
        finally:
            process.send_signal(signal.SIGINT)  # as Ctrl-C: the embedded Valkey ends with its last user


def _environment(folder: Path) -> dict[str, str]:
    # The defaults: SQLite and the embedded Valkey. Serving needs no working key, only one that looks like it.
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    return kept | {
        "FETTLE_DATA_DIR": str(folder),
        "GITHUB_APP_ID": "1",
        "GITHUB_APP_PRIVATE_KEY": "-----BEGIN {0}-----\n-----END {0}-----".format("PRIVATE KEY"),
        "GITHUB_WEBHOOK_SECRET": SECRET,
        "LOG_LEVEL": "WARNING",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_ready(process: subprocess.Popen[bytes], port: int) -> float:
    deadline = time.perf_counter() + 30
    while time.perf_counter() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2)  # a fixed address
        except urllib.error.HTTPError:  # no worker runs here: 503 is an answer
            return time.perf_counter()
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("the server did not start")


def _load(port: int, count: int) -> Any:
    command = [sys.executable, "-m", "benchmarks.intake_load", str(port), str(count), str(CONNECTIONS)]
    environment = os.environ | {"INTAKE_SECRET": SECRET}
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment, timeout=300).stdout)


def _rss(pid: int) -> float:
    shown = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], check=True, capture_output=True)
    return int(shown.stdout) / 1024


async def _stored(folder: Path) -> int:
    store = await Store.open(_database(folder), clock=_now)
    try:
        return (await store.inbox.counts()).waiting
    finally:
        await store.close()


def _database(folder: Path) -> str:
    return f"sqlite:///{folder / 'fettle.db'}"


def _now() -> datetime:
    return datetime.now(UTC)
