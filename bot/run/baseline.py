"""A cache of baselines: what tests and checks said on a commit does not change while commit and environment stay.

Validate shows that the target fails again with the patch taken away, so a stale or flaky entry cannot prove anything.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from functools import cache
from importlib.metadata import version
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from bot import __version__
from bot.core.findings import SuiteEnd
from bot.core.run import Baseline
from bot.core.settings import Settings

_CODEC = TypeAdapter(Baseline)


class BaselineCache:
    """Baselines as JSON files below `folder`, one per repository, commit and environment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, repository: str, base: str, environment: str) -> Baseline | None:
        """The cached baseline, or None (an unreadable file counts as none)."""
        try:
            return _CODEC.validate_json(self._path(repository, base, environment).read_bytes())
        except (OSError, ValidationError):
            return None

    def put(self, repository: str, base: str, environment: str, baseline: Baseline) -> None:
        """Keep `baseline`, unless its test run was cut short by our own limits."""
        if baseline.tests.end in (SuiteEnd.TIMEOUT, SuiteEnd.CRASHED):
            return
        path = self._path(repository, base, environment)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(_CODEC.dump_json(baseline))
        Path(temporary).replace(path)

    def prune(self, older_than_seconds: float) -> int:
        """Remove the entries written that long ago; returns how many."""
        before, gone = time.time() - older_than_seconds, 0
        for path in self._folder.glob("*") if self._folder.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < before:
                    path.unlink()
                    gone += 1
        return gone

    def _path(self, repository: str, base: str, environment: str) -> Path:
        digest = hashlib.sha256("\0".join((repository, base, environment, _makers())).encode()).hexdigest()
        return self._folder / f"{digest[:40]}.json"


def baselines(settings: Settings) -> BaselineCache:
    """The cache in the data folder."""
    return BaselineCache(settings.data_dir / "baselines")


@cache
def _makers() -> str:
    # Another version finds other things, and a finding that only a new version reports would look like the patch's.
    return f"fettle {__version__} ruff {version('ruff')}"
