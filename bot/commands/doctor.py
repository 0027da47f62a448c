"""`fettle doctor`: line by line what is in order here, and what to do about what is not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable

from bot.context import open_sandbox, prepare_data_dir
from bot.core.errors import FettleError, SettingsError, UserError
from bot.core.settings import Settings, require_github
from bot.sandbox.protocol import Probe
from bot.store import Store


async def report(settings: Settings, say: Callable[[str], None]) -> int:
    """Say every probe on a line, and below what to do about what is not in order; returns the exit code, 0 or 1."""
    worst = 0
    async for probe in examine(settings):
        say(f"{'ok  ' if probe.ok else 'FAIL'}  {probe.name}: {probe.detail}")
        if not probe.ok:
            worst = 1
            if probe.advice:
                say(f"      {probe.advice}")
    return worst


async def examine(settings: Settings) -> AsyncIterator[Probe]:
    """Probe after probe, each as soon as it is known; never raises for what a probe finds."""
    yield _python()
    yield _git()
    yield _data_dir(settings)
    async for probe in _sandbox(settings):
        yield probe
    yield await _database(settings)
    yield await _queue(settings)
    async for probe in _github(settings):
        yield probe
    yield _model(settings)


def _python() -> Probe:
    version = ".".join(map(str, sys.version_info[:3]))
    return Probe("python", sys.version_info >= (3, 11), version, "Use Python 3.11 or later.")


def _git() -> Probe:
    path = shutil.which("git")
    if path is None:
        return Probe("git", False, "not found", "Install git: apt-get install git.")
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return Probe("git", said.returncode == 0, said.stdout.strip())


def _data_dir(settings: Settings) -> Probe:
    try:
        return Probe("data folder", True, str(prepare_data_dir(settings.data_dir)))
    except UserError as error:
        return Probe("data folder", False, str(error), "Choose another with FETTLE_DATA_DIR.")


async def _sandbox(settings: Settings) -> AsyncIterator[Probe]:
    try:
        report = await open_sandbox(settings).doctor()
    except FettleError as error:
        yield Probe("sandbox", False, str(error), "Install bubblewrap and allow user namespaces.")
        return
    for probe in report.probes:
        yield Probe(f"sandbox: {probe.name}", probe.ok, probe.detail, probe.advice)


async def _database(settings: Settings) -> Probe:
    from bot.context import utc_now

    kind = settings.database.partition(":")[0]
    try:
        store = await Store.open(settings.database, clock=utc_now)
        await store.ping()
        await store.close()
    except Exception as error:  # whatever is wrong is the answer; its text may hold the address with a password
        return Probe("database", False, f"{kind}: {type(error).__name__}", "Check DATABASE_URL and that it is running.")
    return Probe("database", True, kind)


async def _queue(settings: Settings) -> Probe:
    from bot.embedded.valkey import EmbeddedValkey
    from bot.services.queue import Queue

    where = "REDIS_URL" if settings.redis_url else "embedded Valkey"
    try:
        valkey = None if settings.redis_url else await EmbeddedValkey.open(settings.data_dir)
        queue = await Queue.open(settings.redis_url or (valkey.url if valkey else ""))
        await queue.ping()
        alive = await queue.worker_alive()
        await queue.aclose()
        if valkey:
            await valkey.aclose()
    except Exception as error:  # as above: the address may hold a password
        return Probe("queue", False, f"{where}: {type(error).__name__}", "Check REDIS_URL and that it is running.")
    return Probe("queue", True, f"{where}; worker last heard of: {alive or 'never'}")


async def _github(settings: Settings) -> AsyncIterator[Probe]:
    if not (settings.github_app_id or settings.github_webhook_secret or _has_key(settings)):
        yield Probe("github", True, "not configured: serve, work and up need GITHUB_APP_ID, a key and a webhook secret")
        return
    try:
        require_github(settings)
    except SettingsError as error:
        for problem in error.problems:
            yield Probe("github", False, problem, "Needed by serve, work and up; not by fix and demo.")
        return
    from bot.services.github import GitHubApp

    try:
        async with GitHubApp(
            app_id=settings.github_app_id or 0,
            private_key=settings.private_key(),
            api_url=settings.github_api_url,
            server_url=settings.github_server_url,
        ) as app:
            info = await app.app_info()
            installations = await app.list_installations()
    except FettleError as error:
        yield Probe("github", False, str(error), "Check GITHUB_APP_ID, the private key and GITHUB_API_URL.")
        return
    yield Probe("github", True, f"App {info.slug}, {len(installations)} installations")


def _has_key(settings: Settings) -> bool:
    return bool(settings.github_app_private_key or settings.github_app_private_key_path)


def _model(settings: Settings) -> Probe:
    return Probe("model", True, settings.model or "none: the mechanical and search rungs work without one")
