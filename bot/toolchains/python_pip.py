"""Pip's requirements files as PEP 508 lines. Called by python_requirements.

Includes (`-r`, `-c`) are followed inside the tree. Index options are left out on purpose: where packages come from is
the operator's decision, not the repository's. Local paths (`-e .`, `./lib`) are left out as well: an environment is
shared by everyone with the same key and must not hold a repository's own code.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field

from packaging.requirements import InvalidRequirement, Requirement

from bot.core.errors import UserError
from bot.toolchains.files import TreeReader

MAX_INCLUDES = 50
_INCLUDE = re.compile(r"(-r|--requirement|-c|--constraint)[\s=]*(\S+)$")
_OPTION = re.compile(r"\s+--?(?:hash|config-settings|global-option|install-option)(?:[\s=]\S+)")
_EGG = re.compile(r"#(?:.*&)?egg=([A-Za-z0-9._-]+)")


@dataclass(slots=True)
class Parsed:
    """What requirements files ask for, in order: `files` are the ones read, `local` the local folders named."""

    requirements: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    local: list[str] = field(default_factory=list)


def read(tree: TreeReader, path: str, into: Parsed, *, constraint: bool = False) -> Parsed:
    """Add what the file at `path` asks for to `into`; raises UserError for lines that are no requirement."""
    pending = [(path, constraint)]
    while pending:
        name, constrains = pending.pop(0)
        text = tree.text(name)
        if text is None or name in into.files:
            continue
        into.files.append(name)
        if len(into.files) > MAX_INCLUDES:
            raise UserError(f"{path} includes more than {MAX_INCLUDES} files.")
        for line in _logical_lines(text):
            if include := _INCLUDE.fullmatch(line):
                target = posixpath.normpath(posixpath.join(posixpath.dirname(name), include[2]))
                pending.append((target, constrains or include[1] in ("-c", "--constraint")))
            else:
                _add(line, name, into, constrains)
    return into


def _logical_lines(text: str) -> list[str]:
    joined = re.sub(r"\\\r?\n", " ", text)
    lines = (re.sub(r"(^|\s)#.*$", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]


def _add(line: str, name: str, into: Parsed, constrains: bool) -> None:
    editable = re.match(r"(?:-e|--editable)[\s=]+(.*)$", line)
    if editable is None and line.startswith("-"):
        return
    text = _OPTION.sub("", editable[1] if editable else line).strip().strip("\"'")
    if _is_local(text):
        into.local.append(_folder_of(text, name))
        return
    (into.constraints if constrains else into.requirements).append(_requirement(text, name))


def _requirement(text: str, name: str) -> str:
    if re.match(r"(?:git\+)?https://", text):
        egg = _EGG.search(text)
        return f"{egg[1]} @ {text.split('#')[0]}" if egg else text
    try:
        return str(Requirement(text))
    except InvalidRequirement as error:
        raise UserError(f"{name} holds a line that is no requirement: {text[:120]!r}.") from error


def _is_local(text: str) -> bool:
    if re.match(r"(?:git\+)?https://", text):
        return False
    return (
        bool(re.match(r"[./~]|file:|\w+\+?(?:ssh|http|file)?://", text))
        or "@ file:" in text
        or text.endswith((".whl", ".tar.gz"))
    )


def _folder_of(text: str, name: str) -> str:
    bare = re.split(r"[\[;#]", text)[0].strip()
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), bare)) if bare.startswith(".") else ""
