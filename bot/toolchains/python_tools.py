"""Fettle's own tools inside the sandbox: ruff, uv and the scripts of `inside/`. Called by PythonToolchain.

The sandbox's uid may not reach the virtual environment that Fettle runs in, so they are copied once into the cache, to
a folder named after their content.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import tomllib
from pathlib import Path

import ruff  # type: ignore[import-untyped]  # ships a finder of its binary, and no types
import uv
import yaml

TARGET = "/opt/tools"
BIN = f"{TARGET}/bin"
LIB = f"{TARGET}/lib"  # on the target's import path: holds nothing but our own fettle_*.py
_INSIDE = Path(__file__).with_name("inside")


def binaries() -> dict[str, Path]:
    """Where our own ruff and uv are; raises FileNotFoundError. Not for threads: sysconfig starts up unguarded."""
    return {"ruff": Path(ruff.find_ruff_bin()), "uv": Path(uv.find_uv_bin())}


def provide(cache: Path, binaries: dict[str, Path]) -> Path:
    """The folder to mount at TARGET, made when it is not there yet. Blocking; raises OSError when the disk is full."""
    # Pure Python, so that the syntax check reads TOML and YAML inside the sandbox with any interpreter.
    packages = {"tomllib": Path(tomllib.__file__).parent, "yaml": Path(yaml.__file__).parent}
    scripts = sorted(_INSIDE.glob("fettle_*.py"))
    folder = cache / "tools" / _digest([*binaries.values(), *packages.values(), *scripts])
    if not folder.exists():
        _fill(folder, binaries, packages, scripts)
    return folder


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        known = path.stat()
        digest.update(f"{path.name}\0{known.st_size}\0{known.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:20]


def _fill(folder: Path, binaries: dict[str, Path], packages: dict[str, Path], scripts: list[Path]) -> None:
    folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    build = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    try:
        (build / "bin").mkdir()
        (build / "lib").mkdir()
        for name, source in binaries.items():
            shutil.copyfile(source, build / "bin" / name)
        for name, source in packages.items():
            shutil.copytree(
                source, build / "vendor" / name, ignore=shutil.ignore_patterns("__pycache__", "*.so", "*.pyi")
            )
        for script in scripts:
            shutil.copyfile(script, build / "lib" / script.name)
        _open_to_all(build)
        build.rename(folder)
    except FileExistsError:
        shutil.rmtree(build)
    except OSError:
        shutil.rmtree(build, ignore_errors=True)
        if not folder.exists():
            raise


def _open_to_all(build: Path) -> None:
    for here, _, names in os.walk(build):
        Path(here).chmod(0o755)
        for name in names:
            (Path(here) / name).chmod(0o755 if here.endswith("/bin") else 0o644)
