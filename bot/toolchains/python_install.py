"""Building one Python environment inside the sandbox with uv. Called by PythonToolchain.install.

The Session lies over an empty tree: what goes in is the Plan and nothing else, so an environment is a function of its
key, and a repository cannot change what another one with the same requirements gets (nor is its `uv.toml` read).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.core.errors import Infrastructure, Retry, UserError
from bot.sandbox.protocol import WORKSPACE, Limits, Mount, Network, Reason, Result, Sandbox, Session
from bot.toolchains import python_tools
from bot.toolchains.python_detect import Plan
from bot.toolchains.python_wheel import metadata_wheel

TARGET = "/opt/env"
WALL_SECONDS = 600.0
_CACHE = f"{TARGET}/.cache"  # beside the packages, so that uv can link them
_FIND_LINKS = "/opt/find-links"
_UV = f"{python_tools.BIN}/uv"
_SETTINGS = {
    "UV_CACHE_DIR": _CACHE,
    "UV_COMPILE_BYTECODE": "1",
    "UV_HTTP_TIMEOUT": "60",
    "UV_LINK_MODE": "hardlink",
    "UV_NO_CONFIG": "1",
    "UV_NO_PROGRESS": "1",
    "UV_PYTHON_DOWNLOADS": "never",
    # Published environments never change, so Python need not compare a module with its source at every import.
    "PYC_INVALIDATION_MODE": "UNCHECKED_HASH",
    "NO_COLOR": "1",
}
# The operator's index: uv's name, and the names it is known by, most specific first. Values are never logged.
_INDEX = {
    "UV_DEFAULT_INDEX": ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"),
    "UV_INDEX": ("UV_INDEX", "UV_EXTRA_INDEX_URL", "PIP_EXTRA_INDEX_URL"),
    "HTTPS_PROXY": ("HTTPS_PROXY", "https_proxy"),
    "HTTP_PROXY": ("HTTP_PROXY", "http_proxy"),
    "ALL_PROXY": ("ALL_PROXY", "all_proxy"),
    "NO_PROXY": ("NO_PROXY", "no_proxy"),
}
_UNREACHABLE = re.compile(
    r"dns error|failed to lookup|error sending request|connection (?:refused|reset|closed)|network is unreachable"
    r"|operation timed out|failed to fetch|request failed after|network connectivity is disabled",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _Attempt:
    builds: bool
    tools: tuple[str, ...]
    constrained: bool


@dataclass(frozen=True, slots=True)
class Host:
    """What an installation uses of this machine: Fettle's tools, an empty folder, the operator's settings."""

    tools: Path
    empty: Path
    environ: Mapping[str, str]


async def build(sandbox: Sandbox, plan: Plan, folder: Path, host: Host) -> None:
    """Fill `folder` with the environment of `plan`.

    Raises UserError with uv's last words when the requirements cannot be met, Retry when the index cannot be reached.
    """
    links = _find_links(host.environ)
    mounts = [
        Mount(folder, TARGET, writable=True),
        Mount(host.tools, python_tools.TARGET),
        *interpreter_mounts(plan),
        *links,
    ]
    limits = Limits(wall_seconds=WALL_SECONDS)
    session = await sandbox.open(host.empty, limits=limits, network=Network.INSTALL, mounts=mounts, job="install")
    async with session:
        settings = {**_SETTINGS, **await _index(session, host.environ)}
        if links:
            settings["UV_FIND_LINKS"] = _FIND_LINKS
        venv = [_UV, "venv", "--allow-existing", "--python", str(plan.interpreter.path), TARGET]
        _checked(await session.run(venv, env=settings), "The environment cannot be made")
        await _install(session, plan, settings)
        await _install_metadata(session, plan, settings)
        await session.run(["rm", "-rf", _CACHE])


def interpreter_mounts(plan: Plan) -> tuple[Mount, ...]:
    """What the environment's interpreter needs besides /usr."""
    prefix = plan.interpreter.prefix
    return (Mount(prefix, str(prefix)),) if prefix else ()


async def _install(session: Session, plan: Plan, settings: Mapping[str, str]) -> None:
    result = None
    for attempt in _attempts(plan):
        await session.write("requirements.txt", _lines((*plan.requirements, *attempt.tools)))
        await session.write("constraints.txt", _lines(plan.constraints if attempt.constrained else ()))
        argv = [
            _UV,
            "pip",
            "install",
            "--python",
            f"{TARGET}/bin/python",
            "-r",
            "requirements.txt",
            "-c",
            "constraints.txt",
        ]
        argv += [] if attempt.builds else ["--only-binary", ":all:"]
        result = await session.run(argv, env=settings, timeout=WALL_SECONDS)
        if result.ok:
            return
        if result.reason is not Reason.NONZERO or _UNREACHABLE.search(result.stderr.text):
            break
    if result is not None:
        _checked(result, "The dependencies cannot be installed")


def _attempts(plan: Plan) -> Iterator[_Attempt]:
    """From the strictest to the loosest: building runs third-party code, and our tools give way to the project's."""
    loose = tuple(dict.fromkeys(re.split(r"[=<]", line)[0] for line in plan.tools))
    yield _Attempt(False, plan.tools, True)
    yield _Attempt(True, plan.tools, True)
    if loose:
        yield _Attempt(True, loose, True)
    if plan.constraints:
        yield _Attempt(True, loose, False)


async def _install_metadata(session: Session, plan: Plan, settings: Mapping[str, str]) -> None:
    if (wheel := metadata_wheel(plan.name, plan.version, plan.entry_points)) is None:
        return
    name, data = wheel
    await session.write(name, data)
    argv = [_UV, "pip", "install", "--offline", "--no-deps", "--python", f"{TARGET}/bin/python", f"./{name}"]
    _checked(await session.run(argv, env=settings), "The project's metadata cannot be installed")


def _checked(result: Result, what: str) -> None:
    """Raise what a failed `result` means; returns when it did not fail."""
    if result.ok:
        return
    words = _last_words(result)
    if result.reason is Reason.INFRASTRUCTURE:
        raise Infrastructure(f"{what}: {result.detail or words}")
    if result.reason is Reason.TIMEOUT:
        raise UserError(f"{what} within {WALL_SECONDS:.0f} s.")
    if _UNREACHABLE.search(result.stderr.text):
        raise Retry(f"The package index cannot be reached: {words}", 60.0)
    raise UserError(f"{what} ({result.reason.value}): {words}")


def _last_words(result: Result) -> str:
    text = re.sub(r"//[^/@\s]+@", "//", result.stderr.text)
    return " ".join(text.split())[-600:]


def _lines(lines: tuple[str, ...]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


async def _index(session: Session, environ: Mapping[str, str]) -> dict[str, str]:
    """The operator's index settings, for the install stage only; the certificate file is copied in."""
    found = {}
    for name, aliases in _INDEX.items():
        value = next((environ[alias] for alias in aliases if environ.get(alias)), "")
        if value:
            found[name] = value
    if certificates := await asyncio.to_thread(_read, environ.get("SSL_CERT_FILE", "")):
        await session.write("certificates.pem", certificates)
        found["SSL_CERT_FILE"] = f"{WORKSPACE}/certificates.pem"
    return found


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes() if path else b""
    except OSError:
        return b""


def _find_links(environ: Mapping[str, str]) -> list[Mount]:
    """The operator's folder of wheels (uv's or pip's variable), when the sandbox's uid can read it."""
    folder = Path(environ.get("UV_FIND_LINKS") or environ.get("PIP_FIND_LINKS") or "")
    if not folder.is_absolute() or not folder.is_dir():
        return []
    readable = all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents))
    return [Mount(folder, _FIND_LINKS)] if readable else []
