"""Which Python interpreter runs a target. Called by PythonToolchain.

Only interpreters that the sandbox's uid can reach count (FACTS.md): those of /usr, and the one that runs Fettle unless
it lies in root's private home. Versions come from file names, so that nothing is run to find out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from bot.core.errors import UserError
from bot.toolchains.files import reachable

_NAME = re.compile(r"python(3)\.(\d+)")
_FOLDERS = (Path("/usr/local/bin"), Path("/usr/bin"))
_MICROS = range(41)  # no CPython series has had more patch releases


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter: `prefix` is the folder to mount inside, None when it is part of /usr."""

    path: Path
    version: tuple[int, int]
    prefix: Path | None = None

    @property
    def label(self) -> str:
        """The version as people write it, such as `3.11`."""
        return ".".join(str(part) for part in self.version)

    def satisfies(self, specifiers: SpecifierSet) -> bool:
        """Whether some release of this series is allowed."""
        return any(specifiers.contains(f"{self.label}.{micro}", prereleases=True) for micro in _MICROS)


def available(folders: Iterable[Path] = _FOLDERS) -> tuple[Interpreter, ...]:
    """Every usable interpreter, newest first, one for each series; those of the system before our own."""
    found = [
        Interpreter(path, (int(match[1]), int(match[2])), _prefix(path))
        for folder in folders
        for path in sorted(folder.glob("python3.*"))
        if (match := _NAME.fullmatch(path.name)) and reachable(path)
    ]
    found += _own()
    series: dict[tuple[int, int], Interpreter] = {}
    for interpreter in found:
        series.setdefault(interpreter.version, interpreter)
    return tuple(sorted(series.values(), key=lambda one: one.version, reverse=True))


def choose(asked: Iterable[str], preferred: str, among: tuple[Interpreter, ...]) -> Interpreter:
    """The interpreter of series `preferred` (such as `3.12`, may be empty), else the newest that `asked` allows.

    Raises UserError naming what was asked for and what there is.
    """
    specifiers = _specifiers(asked)
    fitting = [one for one in among if one.satisfies(specifiers)]
    chosen = [one for one in fitting if one.label == preferred] or (fitting if not preferred or str(specifiers) else [])
    if chosen:
        return chosen[0]
    wanted = str(specifiers) or preferred
    there = ", ".join(one.label for one in among) or "none"
    raise UserError(f"The project asks for Python {wanted}, and this machine has {there}.")


def _specifiers(asked: Iterable[str]) -> SpecifierSet:
    text = ",".join(part for part in asked if part)
    try:
        return SpecifierSet(text)
    except InvalidSpecifier as error:
        raise UserError(
            f"The project asks for the Python version {text[:80]!r}, which is no version specifier."
        ) from error


def _own() -> list[Interpreter]:
    prefix = Path(sys.base_prefix).resolve()
    path = prefix / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if prefix == Path("/usr") or not reachable(path):
        return []
    return [Interpreter(path, (sys.version_info[0], sys.version_info[1]), _prefix(path))]


def _prefix(path: Path) -> Path | None:
    real = path.resolve()
    return None if real.is_relative_to("/usr") else real.parent.parent
