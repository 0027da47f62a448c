"""Building one node_modules inside the sandbox. Called by NodeToolchain.install.

The Session lies over an empty tree: what goes in is the Plan's manifests and nothing else, without their scripts and
without the repository's .npmrc or .yarnrc, which could name other registries and programs. No package's install script
runs, so a package that compiles itself when it is installed stays without its binary.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.core.errors import Infrastructure, Retry, UserError
from bot.sandbox.protocol import WORKSPACE, Limits, Mount, Network, Reason, Result, Sandbox, Session
from bot.toolchains import node_tools
from bot.toolchains.node_detect import Manager, Plan

BUILD = "/opt/build"
WALL_SECONDS = 600.0
PATH = f"{node_tools.BIN}:/usr/local/bin:/usr/bin:/bin"
_CACHE = f"{BUILD}/.cache"  # on the same file system as the packages, so that they can be linked
_SETTINGS = {
    "PATH": PATH,
    "CI": "true",
    "NO_COLOR": "1",
    "COREPACK_ENABLE_DOWNLOAD_PROMPT": "0",
    "npm_config_cache": f"{_CACHE}/npm",
    "npm_config_ignore_scripts": "true",
    "npm_config_audit": "false",
    "npm_config_fund": "false",
    "npm_config_update_notifier": "false",
    "npm_config_logs_max": "0",
    "npm_config_fetch_retries": "2",
    "npm_config_fetch_retry_mintimeout": "500",
    "npm_config_fetch_retry_maxtimeout": "5000",
    "YARN_CACHE_FOLDER": f"{_CACHE}/yarn",
    "YARN_GLOBAL_FOLDER": f"{_CACHE}/yarn-global",
    "YARN_NODE_LINKER": "node-modules",
    "YARN_ENABLE_SCRIPTS": "0",
    "YARN_ENABLE_TELEMETRY": "0",
}
# The operator's registry: every name npm reads it under, and yarn's. Values are never logged.
_REGISTRY = re.compile(r"npm_config_(registry|cafile|//.+|@[^:]+:registry)", re.IGNORECASE)
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "NO_PROXY", "no_proxy")
_UNREACHABLE = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT|ESOCKETTIMEDOUT"
    r"|network connectivity|trouble with your network",
)
_SECRETS = re.compile(r"//[^/@\s]+@|(?i:(?:auth|token|password)\S*[=:]\s*\S+)")


@dataclass(frozen=True, slots=True)
class Host:
    """What an installation uses of this machine: Fettle's tools, an empty folder, the operator's settings."""

    tools: Path
    empty: Path
    environ: Mapping[str, str]


async def build(sandbox: Sandbox, plan: Plan, folder: Path, host: Host) -> None:
    """Fill `folder`/node_modules with what `plan` asks for.

    Raises UserError with the package manager's last words when it cannot be met, Retry when the registry cannot be
    reached.
    """
    mounts = [Mount(folder, BUILD, writable=True), Mount(host.tools, node_tools.TARGET)]
    limits = Limits(wall_seconds=WALL_SECONDS)
    session = await sandbox.open(host.empty, limits=limits, network=Network.INSTALL, mounts=mounts, job="install")
    async with session:
        settings = {**_SETTINGS, **await _operator(session, host.environ)}
        if plan.legacy_peers:
            settings["npm_config_legacy_peer_deps"] = "true"
        for path, data in plan.files.items():
            await session.write(path, data)
        _checked(await session.run(["cp", "-R", ".", BUILD]), "The manifests cannot be copied")
        result = await session.run(_command(plan), env=settings, cwd=BUILD, timeout=WALL_SECONDS)
        _checked(result, "The dependencies cannot be installed")
        # What vite and its kin write while tests run goes to /tmp; links to local packages lead into the workspace.
        finish = ["node", f"{node_tools.LIB}/fettle_modules.mjs", BUILD, WORKSPACE]
        _checked(await session.run(finish, env={"PATH": PATH}), "The installed packages cannot be arranged")


def _command(plan: Plan) -> list[str]:
    """The locked installation where there is a lock file, without any script."""
    match plan.manager:
        case Manager.NPM:
            return ["npm", "ci" if plan.lock else "install", "--ignore-scripts", "--no-audit", "--no-fund"]
        case Manager.PNPM:
            flags = ["--frozen-lockfile", "--ignore-scripts", "--ignore-pnpmfile", "--config.node-linker=hoisted"]
            own = [f"--config.store-dir={_CACHE}/pnpm", "--config.manage-package-manager-versions=false"]
            return _brought("pnpm", f"pnpm@{plan.release}", [*flags, *own])
        case Manager.YARN:
            flags = ["--frozen-lockfile", "--ignore-scripts", "--non-interactive"]
            return _brought("yarn", f"yarn@{plan.release}", flags)
        case Manager.BERRY:
            return _brought("yarn", f"@yarnpkg/cli-dist@{plan.release}", ["--immutable", "--mode=skip-build"])


def _brought(program: str, package: str, options: Sequence[str]) -> list[str]:
    """A package manager in the release that wrote the lock file, brought by npm for this one installation."""
    return ["npm", "exec", "--yes", "--package", package, "--", program, "install", *options]


async def _operator(session: Session, environ: Mapping[str, str]) -> dict[str, str]:
    """The operator's registry settings, for the install stage only; the certificate file is copied in."""
    found = {name: value for name, value in environ.items() if value and _REGISTRY.fullmatch(name)}
    found |= {name: environ[name] for name in _PROXIES if environ.get(name)}
    registry = next((value for name, value in found.items() if name.lower() == "npm_config_registry"), "")
    if registry:
        found |= {"YARN_REGISTRY": registry, "YARN_NPM_REGISTRY_SERVER": registry}
    if certificates := await asyncio.to_thread(_read, environ.get("NODE_EXTRA_CA_CERTS", "")):
        await session.write("certificates.pem", certificates)
        found["NODE_EXTRA_CA_CERTS"] = f"{WORKSPACE}/certificates.pem"
    return found


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes() if path else b""
    except OSError:
        return b""


def _checked(result: Result, what: str) -> None:
    """Raise what a failed `result` means; returns when it did not fail."""
    if result.ok:
        return
    said = f"{result.stderr.text}\n{result.stdout.text}"
    words = _words(said)
    if result.reason is Reason.INFRASTRUCTURE:
        raise Infrastructure(f"{what}: {result.detail or words}")
    if result.reason is Reason.TIMEOUT:
        raise UserError(f"{what} within {WALL_SECONDS:.0f} s.")
    if _UNREACHABLE.search(said):
        raise Retry(f"The package registry cannot be reached: {words}", 60.0)
    raise UserError(f"{what} ({result.reason.value}): {words}")


def _words(said: str) -> str:
    """The first and the last of what was said: npm begins with the reason, yarn ends with it."""
    lines = (line for line in _SECRETS.sub("", said).splitlines() if not line.startswith("npm warn"))
    text = " ".join(" ".join(lines).split())
    return text if len(text) <= 600 else f"{text[:300]} [...] {text[-300:]}"
