"""A terminal: `fettle("fix", path)` runs the command line in this process, with an environment of its own."""

from __future__ import annotations

import json
import logging
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog

from bot.cli import main
from bot.core.settings import Settings

CALC = """\
def clamp(value, low, high):
    if value < low:
        return low
    if value > high:
        return low
    return value
"""
TEST_CALC = """\
from calc import clamp


def test_inside():
    assert clamp(2, 1, 3) == 2


def test_above():
    assert clamp(9, 1, 3) == 3
"""


@dataclass(frozen=True)
class Said:
    """What a command left: its exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on stdout; anything beside it fails."""
        parsed = json.loads(self.out)
        assert isinstance(parsed, dict)
        return parsed

    def complains(self, *sentences: str) -> bool:
        """Whether it ended as bad input does: these parts, one line each, on stderr, and no traceback."""
        lines = self.err.splitlines()
        told = len(lines) == len(sentences) and all(part in line for part, line in zip(sentences, lines, strict=True))
        return self.code == 2 and told and all(line.startswith("fettle: ") for line in lines)


Fettle = Callable[..., Said]


@pytest.fixture
def environment(shared_data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No setting but the data folder; a test may add some."""
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.alias), raising=False)
    monkeypatch.setenv("FETTLE_DATA_DIR", str(shared_data_dir))
    return monkeypatch


@pytest.fixture
def fettle(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Fettle]:
    """Run a command to its end in this process."""
    handlers = logging.getLogger().handlers[:]

    def run(*arguments: object) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Said(int(caught.value.code or 0), said.out, said.err)

    yield run
    logging.getLogger().handlers[:] = handlers
    structlog.reset_defaults()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one failing test, which search can mend."""
    return make_repository(tmp_path / "calc", {"calc.py": CALC, "test_calc.py": TEST_CALC})


def make_repository(path: Path, files: dict[str, str]) -> Path:
    """A git repository with one commit of `files`."""
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(content)
    git(path, "init", "-q", "-b", "main")
    commit(path)
    return path


def commit(path: Path) -> None:
    git(path, "add", "-A")
    git(path, "commit", "-qm", "change")


def git(path: Path, *arguments: str) -> str:
    """git in `path`, deaf to this machine's configuration; returns stdout, stripped."""
    who = {f"GIT_{role}_{part}": "ada@example.com" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    quiet = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", *arguments], cwd=path, env=quiet, capture_output=True, text=True, check=True)
    return done.stdout.strip()
