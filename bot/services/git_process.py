"""Runs the git binary, hardened. Every module of `bot.services.git*` goes through `Git.run`; nothing else starts git.

Git is told to read no configuration but its own mirror's, to speak no protocol that the call does not name, to run no
hook, filter or monitor, and to ask nobody for a password. A secret never stands in argv, environment or error text.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.core.errors import FettleError, Infrastructure, Retry

MIB = 1 << 20

# What of our own environment git may see: where programs, proxies and certificates are, nothing else.
_KEPT = (
    "PATH",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
    "GIT_SSL_CAINFO",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)

_ENVIRONMENT = {
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ALLOW_PROTOCOL": "none",
}

# Given on the command line, where they outrank whatever a repository's own config says.
_CONFIG = (
    "advice.detachedHead=false",
    "core.alternateRefsCommand=true",
    "core.attributesFile=/dev/null",
    "core.autocrlf=false",
    "core.excludesFile=/dev/null",
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "core.protectHFS=true",
    "core.protectNTFS=true",
    "core.quotePath=false",
    "core.sshCommand=false",
    "core.symlinks=true",
    "core.untrackedCache=false",
    "credential.helper=",
    "gc.auto=0",
    "http.followRedirects=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=60",
    "maintenance.auto=false",
    "push.default=nothing",
    "safe.bareRepository=explicit",
    "submodule.recurse=false",
    "transfer.credentialsInUrl=die",
    "transfer.fsckObjects=true",
)

# Faults of old or odd committers that harm nobody, yet stand in the history of well-known repositories.
_FORGIVEN = (
    "badDate",
    "badDateOverflow",
    "badEmail",
    "badName",
    "badTimezone",
    "missingEmail",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "zeroPaddedDate",
    "zeroPaddedFilemode",
)


class GitFailed(FettleError):
    """Git ended with `code`; `stderr` is scrubbed. Whoever knows what it means turns it into a UserError or Retry."""

    def __init__(self, command: str, code: int, stderr: str) -> None:
        super().__init__(f"git {command} ended with {code}: {stderr[-2000:] or 'no message'}")
        self.command = command
        self.code = code
        self.stderr = stderr


class OutputTooLarge(FettleError):
    """Git wrote more than the caller allowed and was killed."""


@dataclass(frozen=True, slots=True)
class Output:
    """How git ended: exit code, standard output, scrubbed standard error."""

    code: int
    stdout: bytes
    stderr: str


@dataclass(frozen=True, slots=True)
class Git:
    """Git on one repository: `directory` is its git folder; it runs as `owner` (uid, gid) or, for None, as we."""

    directory: Path
    owner: tuple[int, int] | None = None

    async def run(
        self,
        *arguments: str,
        config: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        cwd: Path | str = "/",
        pass_fds: Sequence[int] = (),
        limit: int = 64 * MIB,
        timeout: float = 120.0,
    ) -> Output:
        """Run one git command and return how it ended, whatever its exit code.

        `limit` is bytes of standard output (OutputTooLarge above it), `timeout` seconds (Retry above it). Raises
        Infrastructure when git is not installed.
        """
        argv = self._argv(arguments, config)
        process = await self._start(argv, environment or {}, cwd, pass_fds)
        try:
            async with asyncio.timeout(timeout):
                stdout, stderr, _ = await asyncio.gather(
                    _read(process, limit), _read_errors(process), _feed(process, stdin)
                )
                code = await process.wait()
        except TimeoutError:
            raise Retry(f"git {arguments[0]} took longer than {timeout:.0f} seconds.") from None
        finally:
            await _kill(process)
        return Output(code, stdout, scrub(stderr.decode(errors="replace")))

    async def read(
        self,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        cwd: Path | str = "/",
        limit: int = 64 * MIB,
        timeout: float = 120.0,
    ) -> bytes:
        """Like `run`, but returns standard output and raises GitFailed on any exit code but 0."""
        output = await self.run(*arguments, environment=environment, stdin=stdin, cwd=cwd, limit=limit, timeout=timeout)
        if output.code:
            raise GitFailed(arguments[0], output.code, output.stderr)
        return output.stdout

    async def line(self, *arguments: str, environment: Mapping[str, str] | None = None, stdin: bytes = b"") -> str:
        """Like `read`, as text without the newline at its end."""
        return (await self.read(*arguments, environment=environment, stdin=stdin)).decode(errors="replace").strip()

    def _argv(self, arguments: Sequence[str], config: Sequence[str]) -> list[str]:
        settings = [*_CONFIG, *(f"fetch.fsck.{fault}=ignore" for fault in _FORGIVEN), *config]
        options = [part for setting in settings for part in ("-c", setting)]
        return ["git", f"--git-dir={self.directory}", "--no-pager", *options, *arguments]

    async def _start(
        self, argv: Sequence[str], environment: Mapping[str, str], cwd: Path | str, pass_fds: Sequence[int]
    ) -> Process:
        uid, gid = self.owner or (None, None)
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        try:
            return await asyncio.create_subprocess_exec(
                *argv,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                cwd=cwd,
                env={**kept, **_ENVIRONMENT, **environment},
                pass_fds=tuple(pass_fds),
                start_new_session=True,
                umask=0o022,
                user=uid,
                group=gid,
                extra_groups=None if gid is None else [],
            )
        except FileNotFoundError:
            raise Infrastructure("The program git was not found: install git 2.38 or newer.") from None


def scrub(text: str) -> str:
    """Hide user and password in every address of `text`."""
    return re.sub(r"(?<=://)[^/\s@]+@", "***@", text)


def option_free(*values: str) -> None:
    """Raise ValueError when a value that goes into argv could be read as an option or ends early."""
    for value in values:
        if value.startswith("-") or "\0" in value or not value:
            raise ValueError(f"not a value for git: {value!r}")


async def _read(process: Process, limit: int) -> bytes:
    assert process.stdout is not None
    chunks, total = [], 0
    while chunk := await process.stdout.read(MIB):
        chunks.append(chunk)
        total += len(chunk)
        if total > limit:
            raise OutputTooLarge(f"git wrote more than {limit} bytes")
    return b"".join(chunks)


async def _read_errors(process: Process, keep: int = MIB) -> bytes:
    assert process.stderr is not None
    kept = b""
    while chunk := await process.stderr.read(65536):
        kept = (kept + chunk)[-keep:]
    return kept


async def _feed(process: Process, data: bytes) -> None:
    assert process.stdin is not None
    # Git may stop reading before the end; its exit code tells why.
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(data)
        await process.stdin.drain()
    process.stdin.close()


async def _kill(process: Process) -> None:
    """End the whole group, helpers included, so that a cancelled or stuck command leaves nobody behind."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        # asyncio (to 3.11.2 at least) calls a process ended only when its pipes are read to their end.
        await asyncio.gather(_drain(process.stdout), _drain(process.stderr))
        await process.wait()


async def _drain(stream: asyncio.StreamReader | None) -> None:
    # RuntimeError: somebody else is still reading this one, and will get to its end.
    with contextlib.suppress(RuntimeError):
        while stream is not None and await stream.read(MIB):
            pass
