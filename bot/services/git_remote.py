"""Git over the network: which addresses are allowed, how the token travels, what a failure means.

Used by `git.Mirror`. The token goes through a pipe to a credential helper that answers for one origin only, so it is
never in argv, in an environment, in a file or in an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from bot.core.errors import FettleError, Infrastructure, Retry, UserError
from bot.services.git_process import Git, GitFailed, Output

HEAD = "refs/fettle/HEAD"
"""Where the mirror keeps the commit of the remote's default branch."""

EVERY_BRANCH = (f"+HEAD:{HEAD}", "+refs/heads/*:refs/remotes/origin/*")
"""The refspecs of a usual fetch."""

_REFSPEC = re.compile(r"\+?(HEAD|refs/[\w./*-]+|[0-9a-f]{40}):refs/[\w./*-]+")
_BRANCH = re.compile(
    r"(?!.*(\.\.|//|/\.|\.lock(/|$)|@\{))[^\x00-\x20\x7f~^:?*\[\\/.@-][^\x00-\x20\x7f~^:?*\[\\]*(?<![/.])"
)
# Other users' repositories may be read: every setting that could make git act on their config is overruled.
_UPLOAD_PACK = "git -c 'safe.directory=*' -c core.hooksPath=/dev/null -c core.fsmonitor=false upload-pack"


class BranchMoved(UserError):
    """The remote branch is not at the commit that the caller expected, so nothing was pushed."""


@dataclass(frozen=True, slots=True)
class Remote:
    """One checked address, and the token for it (None for public or local repositories)."""

    url: str
    scheme: str
    token: SecretStr | None = None

    @classmethod
    def of(cls, url: str, token: SecretStr | None, protocols: frozenset[str]) -> Remote:
        """Check `url` against the allowed protocols; raises UserError with one sentence for anything else.

        `http` serves loopback hosts only, and no address may carry a user or password.
        """
        parts = urlsplit(url)
        if re.search(r"[\x00-\x20\x7f]", url) or parts.scheme not in protocols & {"https", "http", "file"}:
            raise UserError(f"This address is not allowed for git: {_shown(url)!r}.")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise UserError("A git address must hold no user, password or query; tokens travel apart.")
        if (parts.scheme == "file") == bool(parts.netloc):
            raise UserError(f"This is not an address of a git repository: {_shown(url)!r}.")
        if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
            raise UserError(f"Plain http is allowed for this machine only, not for {parts.hostname!r}: use https.")
        return cls(url, parts.scheme, token)

    @property
    def origin(self) -> str:
        """Scheme, host and port, the only place that the token is given to."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


async def fetch(git: Git, remote: Remote, refspecs: Sequence[str], *, lock: int, timeout: float) -> None:
    """Fetch `refspecs` and drop what the remote no longer has; raises UserError or Retry, GitFailed for a puzzle.

    `lock` is the descriptor that holds the mirror for us alone.
    """
    if not all(_REFSPEC.fullmatch(refspec) for refspec in refspecs):
        raise UserError("A refspec is not in order.")
    local = ("--update-shallow", f"--upload-pack={_UPLOAD_PACK}") if remote.scheme == "file" else ()
    quiet = ("--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-maintenance")
    arguments = ("fetch", *quiet, "--force", "--prune", *local, "--", remote.url, *refspecs)
    output = await _run(git, remote, arguments, lock=lock, timeout=timeout)
    if output.code and ".lock'" in output.stderr:
        await asyncio.to_thread(_remove_locks, git.directory)
        output = await _run(git, remote, arguments, lock=lock, timeout=timeout)
    if output.code:
        raise explain(GitFailed("fetch", output.code, output.stderr))


async def push(git: Git, remote: Remote, sha: str, branch: str, *, expect: str | None, timeout: float) -> None:
    """Push `sha` to `branch` when it is still at `expect` (None: not there yet); doing it twice is the same as once.

    Raises BranchMoved, UserError with the remote's reason, or Retry.
    """
    ref = f"refs/heads/{branch}"
    options = ("--porcelain", "--no-verify", "--no-signed", "--no-follow-tags", "--recurse-submodules=no")
    lease = f"--force-with-lease={ref}:{expect or ''}"
    output = await _run(git, remote, ("push", *options, lease, "--", remote.url, f"{sha}:{ref}"), timeout=timeout)
    if not output.code:
        return
    refused = re.search(r"^!\t.*?\t(.*)$", output.stdout.decode(errors="replace"), re.MULTILINE)
    if refused is None:
        raise explain(GitFailed("push", output.code, output.stderr))
    if "stale info" in refused[1] or "fetch first" in refused[1]:
        raise BranchMoved(f"The branch {branch!r} has moved on the remote, so nothing was pushed to it.")
    raise UserError(f"The remote refused the branch {branch!r}: {refused[1][:300]}.")


def check_branch(branch: str, prefix: str) -> None:
    """Raise UserError unless `branch` is a well-formed name below `prefix`, where alone Fettle writes."""
    if not prefix.endswith("/") or not branch.startswith(prefix) or not is_branch(branch):
        raise UserError(f"Fettle writes only to branches below {prefix!r}, not to {branch[:200]!r}.")


def is_branch(name: str) -> bool:
    """Whether `name` is a well-formed branch name, by the rules of git-check-ref-format that matter for safety."""
    return len(name) <= 240 and _BRANCH.fullmatch(name) is not None


def explain(failure: GitFailed) -> FettleError:
    """What a failed network command means: UserError, Retry or Infrastructure; the failure itself when unknown."""
    for pattern, fate, sentence in _MEANINGS:
        if re.search(pattern, failure.stderr, re.IGNORECASE):
            return fate(sentence)
    return failure


_MEANINGS: tuple[tuple[str, type[FettleError], str], ...] = (
    (r"no space left|disk quota exceeded", Infrastructure, "The disk is full: free space in the data folder."),
    (r"couldn't find remote ref HEAD", UserError, "The repository has no commit on its default branch yet."),
    (r"couldn't find remote ref", UserError, "The repository has no such branch."),
    (r"not our ref", UserError, "The repository no longer has that commit."),
    (
        r"authentication failed|could not read (username|password)|returned error: 40[13]|access .* not granted",
        UserError,
        "Access to the repository was refused: check that the app is installed on it with enough rights.",
    ),
    (
        r"repository .*not found|returned error: 404|not (appear to be )?a git repository",
        UserError,
        "The repository was not found: check its name, and that the app is installed on it.",
    ),
    (r"url base from redirection|returned error: 3\d\d", UserError, "The repository has moved to another address."),
    (
        r"fsck error|error: object [0-9a-f]+: |hasDot|treeNotSorted|duplicateEntries",
        UserError,
        "The repository holds an object that git refuses as unsafe or broken.",
    ),
    (r"mismatched algorithms|object format", UserError, "Repositories with SHA-256 objects are not supported."),
    (
        r"could not resolve|failed to connect|couldn't connect|connection (refused|reset|timed out)|timed out|early EOF"
        r"|rpc failed|unexpected disconnect|hung up|too slow|transfer closed|SSL|TLS|returned error: (429|5\d\d)"
        r"|empty reply|cannot lock ref|curl \d+",
        Retry,
        "The git server could not be reached or broke off; trying again later.",
    ),
)


def _remove_locks(directory: Path) -> None:
    """Remove what a killed git left; nobody uses them, since the mirror is ours alone while we fetch."""
    for path in (*directory.glob("*.lock"), *(directory / "refs").rglob("*.lock")):
        path.unlink(missing_ok=True)


async def _run(
    git: Git, remote: Remote, arguments: Sequence[str], *, timeout: float, lock: int | None = None
) -> Output:
    with _credentials(remote) as (config, fds):
        # The lock travels along, so that it outlives us for as long as an orphaned git still writes.
        held = fds if lock is None else (*fds, lock)
        environment = {"GIT_ALLOW_PROTOCOL": remote.scheme}
        return await git.run(*arguments, config=config, environment=environment, pass_fds=held, timeout=timeout)


@contextlib.contextmanager
def _credentials(remote: Remote) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
    """The settings and descriptors that let git, and git alone, read the token, once, for this origin only."""
    loopback = ("http.proxy=",) if _is_loopback(urlsplit(remote.url).hostname or "") else ()
    if remote.token is None or remote.scheme == "file":
        yield loopback, ()
        return
    secret = remote.token.get_secret_value()
    if not re.fullmatch(r"[\x21-\x7e]{1,4000}", secret):
        raise Infrastructure("The token for git holds characters that no token has.")
    reader, writer = os.pipe()
    try:
        os.write(writer, f"username=x-access-token\npassword={secret}\n".encode())
        os.close(writer)
        helper = f'!f() {{ test "$1" = get && cat /dev/fd/{reader}; }}; f'
        yield (*loopback, f"credential.{remote.origin}.helper={helper}"), (reader,)
    finally:
        os.close(reader)


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _shown(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//***@", url)[:200]
