"""A user's own repository on this machine (`fettle fix PATH`): looked at and given a branch, never otherwise touched.

Its config may be hostile (a downloaded folder), so only plumbing runs on it that starts no hook, filter, monitor or
transport, and it runs as the folder's owner when we are root. The work tree is compared by reading, not by git.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bot.core.errors import UserError
from bot.services.git_process import MIB, Git, GitFailed, OutputTooLarge
from bot.services.git_remote import check_branch

_ABSENT = "0" * 40


@dataclass(frozen=True, slots=True)
class LocalRepository:
    """What `inspect` found: git folder, top of the work tree (None when bare), commit, branch (None when detached).

    `dirty` says that tracked files differ from `head`; a fix starts from `head` and does not see those changes.
    """

    git_dir: Path
    top: Path | None
    head: str
    branch: str | None
    dirty: bool = False

    @property
    def url(self) -> str:
        """The address that `Mirror.fetch` reads, with protocol `file` allowed."""
        return self.git_dir.as_uri()

    @property
    def key(self) -> str:
        """The mirror's key for this repository."""
        return "local/" + hashlib.sha256(os.fsencode(self.git_dir)).hexdigest()[:32]


async def inspect(path: Path) -> LocalRepository:
    """Look at the repository that holds `path`; raises UserError with one sentence when there is none to work on."""
    directory, top = await asyncio.to_thread(_find, path)
    git = _git(directory)
    try:
        git_dir = Path(await git.line("rev-parse", "--absolute-git-dir"))
    except GitFailed as failure:
        raise UserError(f"This is not a usable git repository: {path}") from failure
    head = await git.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if head.code:
        raise UserError(f"The repository has no commit yet: {path}")
    sha = head.stdout.decode().strip()
    branch = (await git.run("symbolic-ref", "--short", "--quiet", "HEAD")).stdout.decode(errors="replace").strip()
    dirty = top is not None and await _is_dirty(git, top)
    return LocalRepository(git_dir, top, sha, branch or None, dirty)


async def deliver(repository: LocalRepository, mirror: Git, sha: str, branch: str, *, prefix: str = "fettle/") -> str:
    """Copy commit `sha` from the mirror and put a new branch on it; returns the branch's name.

    A branch of that name that points elsewhere is kept, and `-2`, `-3`, ... is tried instead. The work tree, the index
    and the current branch stay as they are; no hook runs.
    """
    check_branch(branch, prefix)
    user = _git(repository.git_dir)
    known = f"^{repository.head}"
    pack = await mirror.read("pack-objects", "--revs", "--stdout", "-q", stdin=f"{sha}\n{known}\n".encode())
    await user.read("unpack-objects", "-q", stdin=pack)
    for name in (branch, *(f"{branch}-{number}" for number in range(2, 100))):
        at = await user.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"refs/heads/{name}")
        if at.stdout.decode().strip() == sha:
            return name
        if at.code:
            await _create(user, name, sha)
            return name
    raise UserError(f"There are too many branches named {branch!r} already: delete some.")


async def _create(user: Git, branch: str, sha: str) -> None:
    try:
        await user.read("update-ref", "-m", "fettle: fix", "--end-of-options", f"refs/heads/{branch}", sha, _ABSENT)
    except GitFailed as failure:
        raise UserError(f"The branch {branch!r} could not be made: {failure.stderr.strip()[:300]}") from failure


def _find(path: Path) -> tuple[Path, Path | None]:
    """The git folder (or the file that names it) and the top of the work tree, by looking upward as git does."""
    if not path.exists():
        raise UserError(f"There is no such folder: {path}")
    if not path.is_dir():
        raise UserError(f"This is a file, not a folder with a git repository: {path}")
    start = path.resolve()
    for folder in (start, *start.parents):
        if (folder / ".git").exists():
            return folder / ".git", folder
        if (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir():
            inside = folder.name == ".git"
            return folder, folder.parent if inside else None
    raise UserError(f"This is not a git repository: {path}")


def _git(directory: Path) -> Git:
    owner = directory.stat()
    foreign = os.geteuid() == 0 and owner.st_uid != 0
    return Git(directory, (owner.st_uid, owner.st_gid) if foreign else None)


async def _is_dirty(git: Git, top: Path) -> bool:
    """Whether tracked files differ from HEAD, found without letting git look at the work tree."""
    try:
        index = await git.read("ls-files", "--stage", "--debug", "-z")
        head = await git.read("ls-tree", "-r", "-z", "--full-tree", "HEAD")
    except (GitFailed, OutputTooLarge):
        return False
    return await asyncio.to_thread(_differs, index, head, top)


_INDEXED = re.compile(
    rb"(?P<mode>\d{6}) (?P<oid>[0-9a-f]{40}) \d\t(?P<path>[^\0]*)\0"
    rb"\s+ctime: \d+:\d+\s+mtime: (?P<seconds>\d+):(?P<nanoseconds>\d+)\s+dev: \d+\s+ino: \d+\s+uid: \d+\s+gid: \d+"
    rb"\s+size: (?P<size>\d+)\s+flags: [0-9a-f]+\n"
)


def _differs(index: bytes, head: bytes, top: Path) -> bool:
    indexed = {match["path"]: match for match in _INDEXED.finditer(index)}
    if {(path, match["mode"], match["oid"]) for path, match in indexed.items()} != set(_committed(head)):
        return True
    return any(_changed(match, os.fsencode(top) + b"/" + path) for path, match in indexed.items())


def _committed(listing: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    for record in listing.split(b"\0")[:-1]:
        head, path = record.split(b"\t", 1)
        mode, _, oid = head.split()
        yield path, mode, oid


def _changed(entry: re.Match[bytes], path: bytes) -> bool:
    if entry["mode"] == b"160000":
        return False
    try:
        found = os.lstat(path)
    except OSError:
        return True
    if stat.S_ISLNK(found.st_mode):
        return entry["mode"] != b"120000" or _oid(os.fsencode(Path(os.fsdecode(path)).readlink())) != entry["oid"]
    if not stat.S_ISREG(found.st_mode) or found.st_size > 64 * MIB:
        return True
    # As git does: size and time as recorded mean unchanged; only else is the content looked at.
    recorded = int(entry["seconds"]) * 10**9 + int(entry["nanoseconds"])
    if (found.st_size, found.st_mtime_ns) == (int(entry["size"]), recorded):
        return False
    return _oid(_content(path)) != entry["oid"]


def _content(path: bytes) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        return file.read(64 * MIB)


def _oid(content: bytes) -> bytes:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest().encode()
