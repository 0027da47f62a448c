"""Says whether files parse, as JSON on standard output. Run as `python -I fettle_syntax.py PATH...` inside the sandbox.

Python files are compiled (never run) by the target's own interpreter; JSON, TOML and YAML are read by the packages
in the folder `vendor` beside this one. Without a PATH everything below the working folder is read. One object:
{"checked": N, "problems": [{"path", "line", "message"}]}.
"""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAX_BYTES = 4 << 20
MAX_DATA_BYTES = 32 << 10  # YAML is read by pure Python, some 100 kB a second
SKIPPED = {
    ".git",
    ".hg",
    ".venv",
    "venv",
    "node_modules",
    ".tox",
    ".nox",
    "build",
    "dist",
    "site-packages",
    "__pycache__",
}


def python(path: str, data: bytes) -> tuple[int, str] | None:
    """(line, message) when Python cannot compile `data`, else None."""
    try:
        compile(data, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        return error.lineno or 0, error.msg or "invalid syntax"
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        return 0, str(error) or type(error).__name__
    return None


def as_json(path: str, data: bytes) -> tuple[int, str] | None:
    """(line, message) when `data` is not JSON."""
    try:
        json.loads(data.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        return error.lineno, error.msg
    except (ValueError, RecursionError) as error:
        return 0, str(error)[:200]
    return None


def as_toml(path: str, data: bytes) -> tuple[int, str] | None:
    """(line, message) when `data` is not TOML."""
    import tomllib

    try:
        tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:
        said = re.search(r"at line (\d+)", str(error))
        return int(said.group(1)) if said else 0, str(error)[:200]
    return None


def as_yaml(path: str, data: bytes) -> tuple[int, str] | None:
    """(line, message) when `data` is not YAML: events only, so no alias is expanded and nothing is constructed."""
    import yaml

    try:
        for _ in yaml.parse(data, Loader=yaml.SafeLoader):
            pass
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        return mark.line + 1 if mark else 0, error.problem or "invalid YAML"
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return 0, str(error)[:200]
    return None


READERS = {
    ".py": python, ".pyi": python, ".json": as_json, ".toml": as_toml, ".yml": as_yaml, ".yaml": as_yaml,
}  # fmt: skip


def check(path: str) -> dict[str, Any] | None:
    """The problem in the file at `path` as an object, None when it parses, is missing or is of another kind."""
    file = Path(path)
    reader = READERS.get(file.suffix.lower())
    if reader is None or file.is_symlink() or not file.is_file():
        return None
    if file.stat().st_size > MAX_BYTES:
        return {"path": path, "line": 0, "message": "too large to be checked"}
    found = reader(path, file.read_bytes())
    return {"path": path, "line": found[0], "message": found[1]} if found else None


def everything() -> Iterator[str]:
    """Every file below the working folder of a kind that is known; data files only while they are small."""
    for folder, folders, names in os.walk("."):
        folders[:] = sorted(name for name in folders if name not in SKIPPED)
        for name in sorted(names):
            path = Path(folder, name)
            if name.endswith((".py", ".pyi")) or (path.suffix in READERS and path.lstat().st_size <= MAX_DATA_BYTES):
                yield os.path.relpath(path)


def main() -> None:
    """Check what the command line names."""
    warnings.simplefilter("ignore")
    # At the end: the standard library's own packages come first.
    sys.path.append(str(Path(__file__).resolve().parents[1] / "vendor"))
    paths = sys.argv[1:] or list(everything())
    problems = [problem for problem in map(check, paths) if problem]
    json.dump({"checked": len(paths), "problems": problems}, sys.stdout)


if __name__ == "__main__":
    main()
