"""Reading a tree that somebody else wrote: capped, without following links, as data only; and which programs serve it.

Called by the toolchains' detecting modules; nothing here runs or imports what it reads.
"""

from __future__ import annotations

import configparser
import json
import os
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from bot.core.errors import UserError
from bot.sandbox import tree as safe

MAX_MANIFEST_BYTES = 256 << 10
MAX_LOCK_BYTES = 8 << 20
MAX_ENTRIES = 100_000
# Folders that never hold the project's own code; the names are pytest's `norecursedirs` and what tools create.
SKIPPED = frozenset(
    {
        ".git", ".hg", ".svn", ".venv", "venv", "env", ".env", ".tox", ".nox", ".mypy_cache", ".pytest_cache",
        ".ruff_cache",
        "__pycache__", "node_modules", "build", "dist", "site-packages", ".eggs",
    }
)  # fmt: skip


class TreeReader:
    """A base tree, read file by file. Paths are relative and posix."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def paths(self) -> frozenset[str]:
        """Every regular file outside of SKIPPED; raises UserError past MAX_ENTRIES."""
        found: set[str] = set()
        with self._opened() as root:
            for path, regular in safe.files(root, skip=SKIPPED):
                if len(found) >= MAX_ENTRIES:
                    raise UserError(f"The repository has more than {MAX_ENTRIES:,} files.")
                if regular and safe.is_plain(path):
                    found.add(path)
        return frozenset(found)

    def text(self, path: str, max_bytes: int = MAX_MANIFEST_BYTES) -> str | None:
        """The file as text, None when there is no such regular file; raises UserError when it is too large."""
        if path not in self.paths:
            return None
        try:
            with self._opened() as root:
                data = safe.read(root, path, max_bytes)
        except FileNotFoundError:
            return None
        except (safe.Unsafe, OSError) as error:
            raise UserError(f"{path} cannot be read: {error}") from error
        return data.decode("utf-8-sig", errors="replace")

    def toml(self, path: str) -> dict[str, Any]:
        """The file as TOML, empty when there is none; raises UserError when it does not parse."""
        text = self.text(path)
        if text is None:
            return {}
        try:
            return tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise UserError(f"{path} is not valid TOML: {str(error)[:200]}.") from error

    def json(self, path: str) -> dict[str, Any]:
        """The file as a JSON object, empty when there is none; raises UserError when it is something else."""
        text = self.text(path)
        if text is None:
            return {}
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path} is not valid JSON: {str(error)[:200]}.") from error
        if not isinstance(data, dict):
            raise UserError(f"{path} is not a JSON object.")
        return data

    def ini(self, path: str) -> configparser.RawConfigParser:
        """The file as INI, empty when there is none; raises UserError when it does not parse."""
        parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
        try:
            parser.read_string(self.text(path) or "", source=path)
        except configparser.Error as error:
            raise UserError(f"{path} is not a valid INI file: {' '.join(str(error).split())[:200]}.") from error
        return parser

    @contextmanager
    def _opened(self) -> Iterator[int]:
        descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def table(data: object, *keys: str) -> dict[str, Any]:
    """The nested table at `keys`, empty when it is missing or of another type (the tree is hostile)."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


def strings(data: object) -> list[str]:
    """`data` as a list of strings: a lone string counts, other types are left out."""
    if isinstance(data, str):
        return [data]
    return [item for item in data if isinstance(item, str)] if isinstance(data, list) else []


def reachable(path: Path) -> bool:
    """Whether the sandbox's uid can run `path`: as an ordinary user it is ours, as root it is nobody in particular."""
    if not path.is_file() or not os.access(path, os.X_OK):
        return False
    if os.geteuid() != 0:
        return True
    real = path.resolve()
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (real, *real.parents))
