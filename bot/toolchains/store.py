"""The cache of installed environments: one folder a key, published whole or not at all. Called by the toolchains.

<cache>/env/<key>      published, read-only inside every sandbox
<cache>/build/<name>   being built, writable for the sandbox's uid; what a crash leaves is cleared by `clear`
<cache>/lock/<key>     held (flock) by the process that builds that key
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.core.errors import Infrastructure, Retry

_POLL_SECONDS = 0.1


class EnvironmentStore:
    """Environments by key under `cache`."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache

    def find(self, key: str) -> Path | None:
        """The published environment of `key`; finding it counts as a use."""
        folder = self._cache / "env" / key
        if not folder.is_dir():
            return None
        os.utime(folder)
        return folder

    @asynccontextmanager
    async def exclusive(self, key: str, seconds: float) -> AsyncIterator[None]:
        """Hold `key` against every other process and task; raises Retry when it is not free within `seconds`."""
        folder = self._folder("lock", 0o700)
        descriptor = os.open(folder / key, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            await _lock(descriptor, seconds)
            yield
        finally:
            os.close(descriptor)

    def begin(self) -> Path:
        """A new folder to build in, which any uid may write: its name is random and its parent cannot be listed."""
        build = Path(tempfile.mkdtemp(dir=self._folder("build", 0o711)))
        build.chmod(0o777)
        return build

    def publish(self, build: Path, key: str) -> Path:
        """Make `build` the environment of `key`, in one step."""
        target = self._folder("env", 0o755) / key
        build.chmod(0o755)
        build.rename(target)
        return target

    async def discard(self, build: Path) -> None:
        """Remove a build that failed. Its content is hostile: `rm` neither follows links nor recurses."""
        process = await asyncio.create_subprocess_exec("rm", "-rf", "--one-file-system", "--", str(build))
        await process.wait()

    async def clear(self, older_than_seconds: float = 7200.0) -> None:
        """Remove what crashed builds left behind."""
        for build in self._folder("build", 0o711).iterdir():
            if time.time() - build.stat().st_mtime > older_than_seconds:
                await self.discard(build)

    def _folder(self, name: str, mode: int) -> Path:
        folder = self._cache / name
        try:
            folder.mkdir(mode=mode, parents=True, exist_ok=True)
            folder.chmod(mode)
        except OSError as error:
            raise Infrastructure(f"The environment cache cannot be written: {error}.") from error
        return folder


async def _lock(descriptor: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Retry("Another run is still installing the same dependencies.", 30.0) from None
            await asyncio.sleep(_POLL_SECONDS)
        else:
            return
