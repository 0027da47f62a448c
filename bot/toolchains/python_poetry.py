"""Poetry's and Pipenv's dependency tables as PEP 508 lines. Called by python_requirements.

Poetry's constraint language (https://python-poetry.org/docs/dependency-specification/) has carets, tildes, wildcards
and unions; PEP 440 has no caret and no union, so `^1 || ^3` becomes the range that spans it (`>=1,<4`).
"""

from __future__ import annotations

import re

from packaging.specifiers import InvalidSpecifier, Specifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from bot.toolchains.files import strings

_OPERATOR = re.compile(r"(\^|~=|~|===|==|!=|<=|>=|<|>|=)?\s*([^\s,<>=!~^|]+)")


def specifier(constraint: str) -> str:
    """A PEP 440 specifier for a Poetry constraint, empty for "anything"; raises ValueError when it is neither."""
    unions = [_intersection(part) for part in constraint.split("||")]
    if len(unions) == 1:
        return ",".join(unions[0])
    return ",".join(_span(unions))


def requirements(name: str, value: object) -> list[str]:
    """PEP 508 lines for one entry of a dependency table; empty for what cannot be installed from an index.

    A list holds alternatives with markers; tables with `path` (local code), `url` or `git` yield their URL or nothing.
    Raises ValueError for a constraint that cannot be read.
    """
    if isinstance(value, list):
        return [line for item in value for line in requirements(name, item)]
    if isinstance(value, str):
        return [f"{name}{_suffix(specifier(value))}"]
    if not isinstance(value, dict) or "path" in value:
        return []
    extras = ",".join(strings(value.get("extras")))
    label = f"{name}[{extras}]" if extras else name
    marker = _marker(value)
    if origin := _origin(value):
        return [f"{label} @ {origin}{marker}"]
    return [f"{label}{_suffix(specifier(str(value.get('version', '*'))))}{marker}"]


def _intersection(part: str) -> list[str]:
    pieces = [piece for match in _OPERATOR.finditer(part) for piece in _piece(match[1] or "", match[2])]
    leftover = _OPERATOR.sub("", part).strip(" ,")
    if leftover:
        raise ValueError(f"{part.strip()!r} is not a version constraint")
    try:
        SpecifierSet(",".join(pieces))
    except InvalidSpecifier as error:
        raise ValueError(f"{part.strip()!r} is not a version constraint") from error
    return pieces


def _piece(operator: str, version: str) -> list[str]:
    if version in ("*", "x"):
        return []
    match operator:
        case "^":
            return [f">={version}", f"<{_caret(_release(version))}"]
        case "~":
            return [f">={version}", f"<{_tilde(_release(version))}"]
        case "" | "=":
            return [f"=={version}"]
        case _:
            return [f"{operator}{version}"]


def _release(version: str) -> tuple[int, ...]:
    try:
        return Version(version.removesuffix(".*")).release
    except InvalidVersion as error:
        raise ValueError(f"{version!r} is not a version") from error


def _caret(release: tuple[int, ...]) -> str:
    # The leftmost part that is not zero may not change; `^0.0` and `^0` let everything below their last part change.
    index = next((position for position, part in enumerate(release) if part), len(release) - 1)
    return _next(release, index)


def _tilde(release: tuple[int, ...]) -> str:
    return _next(release, min(1, len(release) - 1))


def _next(release: tuple[int, ...], index: int) -> str:
    return ".".join(str(part) for part in (*release[:index], release[index] + 1))


def _span(unions: list[list[str]]) -> list[str]:
    """The smallest simple range that holds every alternative."""
    lows, highs = (
        [_bound(pieces, (">=", ">", "==", "~=")) for pieces in unions],
        [_bound(p, ("<", "<=", "==")) for p in unions],
    )
    span = []
    if all(low is not None for low in lows):
        span.append(f">={min(low for low in lows if low is not None)}")
    if all(high is not None for high in highs):
        closed = any(spec.operator in ("<=", "==") for pieces in unions for spec in map(Specifier, pieces))
        span.append(f"{'<=' if closed else '<'}{max(high for high in highs if high is not None)}")
    return span


def _bound(pieces: list[str], operators: tuple[str, ...]) -> Version | None:
    for piece in map(Specifier, pieces):
        if piece.operator in operators and not piece.version.endswith(".*"):
            return Version(piece.version)
    return None


def _suffix(spec: str) -> str:
    return f" {spec}" if spec else ""


def _marker(value: dict[str, object]) -> str:
    markers = [f"({text})" for text in strings(value.get("markers"))]
    python = value.get("python")
    if isinstance(python, str):
        markers += [f"python_full_version {_compared(spec)}" for spec in SpecifierSet(specifier(python))]
    return f" ; {' and '.join(markers)}" if markers else ""


def _compared(spec: Specifier) -> str:
    return f"{spec.operator} '{spec.version}'"


def _origin(value: dict[str, object]) -> str:
    if isinstance(url := value.get("url"), str):
        return url if url.startswith("https://") else ""
    git = value.get("git")
    if not isinstance(git, str):
        return ""
    reference = next((str(value[key]) for key in ("rev", "tag", "branch", "ref") if key in value), "")
    address = git if git.startswith("https://") else ""
    return f"git+{address}{'@' + reference if reference else ''}" if address else ""
