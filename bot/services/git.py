"""Repositories outside the sandbox: mirrors, base trees, commits, diffs, pushes. Used by the run's stages and the CLI.

One bare mirror per repository holds the objects; everything is read from objects and written as objects, so no git
command ever looks at a tree that untrusted code wrote. This module and its helpers `git_*` are the only users of git.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import tempfile
import time
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from bot.core.errors import UserError
from bot.core.patch import Patch
from bot.services import git_local, git_remote, git_tree
from bot.services.git_local import LocalRepository, inspect
from bot.services.git_process import MIB, Git, GitFailed, OutputTooLarge, option_free
from bot.services.git_remote import EVERY_BRANCH, HEAD, BranchMoved, is_branch

__all__ = ["BranchMoved", "FileStat", "GitFailed", "LocalRepository", "Mirror", "Person", "Workspace", "inspect"]

# Outranks every .gitattributes: bytes are as committed, and no attribute can hide a file from a diff.
_ATTRIBUTES = "* -text !eol -ident !filter !working-tree-encoding !diff !merge !export-ignore !export-subst\n"
_SHA = re.compile(r"[0-9a-f]{40}")
_KEY = re.compile(r"[a-z0-9][a-z0-9.-]*(/[a-z0-9][a-z0-9._-]*){1,3}")


@dataclass(frozen=True, slots=True)
class Person:
    """An author or committer."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class FileStat:
    """One file of a diff: lines added and removed, None for binary files."""

    path: str
    added: int | None
    removed: int | None


class Workspace:
    """The mirrors and base trees below one data folder. `protocols` are those that `fetch` and `push` may speak."""

    def __init__(self, data_dir: Path, *, protocols: frozenset[str] = frozenset({"https"})) -> None:
        self._data_dir = data_dir
        self._protocols = protocols

    def mirror(self, key: str) -> Mirror:
        """The mirror for a repository's key, such as `github.com/1296269`: stable when the repository is renamed."""
        if not _KEY.fullmatch(key) or ".." in key or len(key) > 200:
            raise ValueError(f"not a repository's key: {key!r}")
        # One folder level, so that the folders of base trees are found without walking through them.
        name = key.replace("/", "+")
        return Mirror(Git(self._data_dir / "mirrors" / f"{name}.git"), self._data_dir / "trees" / name, self._protocols)

    async def prune(self, keep: Collection[str] = (), *, unused_for: float = 86400.0) -> int:
        """Remove base trees not asked for in `unused_for` seconds, but those of commits in `keep`; returns how many."""
        trees = self._data_dir / "trees"
        folders = list(trees.iterdir()) if trees.is_dir() else []
        before, kept = time.time() - unused_for, frozenset(keep)
        return sum([await asyncio.to_thread(git_tree.prune, folder, kept, before) for folder in folders])


class Mirror:
    """One repository: a bare mirror and the base trees made from it. Safe to use from several tasks and processes.

    Every method raises GitFailed for a git command that fails for no reason that a person could mend.
    """

    def __init__(self, git: Git, trees: Path, protocols: frozenset[str]) -> None:
        self._git = git
        self._trees = trees
        self._protocols = protocols

    async def fetch(
        self, url: str, *, token: SecretStr | None = None, refspecs: Sequence[str] = EVERY_BRANCH, timeout: float = 600
    ) -> None:
        """Bring the mirror up to date with `url`: every branch and HEAD, or the given refspecs. `timeout` is seconds.

        Raises UserError (not found, no access, empty, address not allowed) or Retry (network).
        """
        remote = git_remote.Remote.of(url, token, self._protocols)
        async with self._locked() as lock:
            await self._ensure()
            await git_remote.fetch(self._git, remote, refspecs, lock=lock, timeout=timeout)

    async def resolve(self, ref: str = "HEAD") -> str:
        """The commit (40 hex digits) of a branch, `HEAD` (the default branch), a full `refs/...` name or a commit id.

        Raises UserError when there is none; no other revision syntax is understood.
        """
        for name in _candidates(ref):
            found = await self._git.run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
            if not found.code:
                return found.stdout.decode().strip()
        raise UserError(f"There is no branch or commit {ref[:200]!r} in the repository.")

    async def base_tree(self, sha: str) -> Path:
        """A read-only folder with the commit's files, for a sandbox to read; cached until pruned. Do not write to it.

        Raises UserError above 200,000 files or 1 GiB. Keep its symbolic links away from code outside the sandbox.
        """
        target = self._trees / _commit(sha)
        if not target.is_dir():
            _make_public(self._trees)
            await git_tree.materialise(self._git, sha, self._trees, previous=git_tree.newest(self._trees))
        os.utime(target)
        return target

    async def commit(
        self,
        patch: Patch,
        *,
        message: str,
        author: Person,
        parent: str | None = None,
        committer: Person | None = None,
        date: datetime | None = None,
    ) -> str:
        """Commit `patch` on `parent` (default: the patch's base) and return its id; the same for the same `date`.

        The commit is on no branch. Raises UserError when the patch changes nothing or git refuses a path.
        """
        parent = _commit(parent or patch.base)
        with tempfile.TemporaryDirectory(prefix="fettle-commit-") as temporary:
            index = Path(temporary) / "index"
            environment = {"GIT_INDEX_FILE": str(index)}
            await self._git.read("read-tree", parent, environment=environment)
            await git_tree.fill_index(self._git, index, await self._index_lines(patch, Path(temporary)))
            tree = await self._git.line("write-tree", environment=environment)
        if tree == await self.tree_id(parent):
            raise UserError("The patch changes nothing.")
        identity = _identity(author, committer or author, date)
        return await self._git.line("commit-tree", tree, "-p", parent, environment=identity, stdin=_message(message))

    async def diff(self, base: str, head: str, *, limit: int = 8 * MIB) -> str:
        """The unified diff between two commits, binary files named only. Raises UserError above `limit` bytes."""
        try:
            data = await self._git.read(*_DIFF, "--patch", _commit(base), _commit(head), limit=limit)
        except OutputTooLarge:
            raise UserError(f"The diff is larger than {limit // MIB} MiB.") from None
        return data.decode(errors="replace")

    async def diff_stat(self, base: str, head: str) -> tuple[FileStat, ...]:
        """Lines added and removed per file between two commits, by path."""
        data = await self._git.read(*_DIFF, "--numstat", "-z", _commit(base), _commit(head))
        return tuple(_file_stat(record) for record in data.split(b"\0")[:-1])

    async def changed_paths(self, base: str, head: str) -> tuple[str, ...]:
        """The paths that differ between two commits, sorted."""
        data = await self._git.read(*_DIFF, "--name-only", "-z", _commit(base), _commit(head))
        return tuple(os.fsdecode(path) for path in data.split(b"\0")[:-1])

    async def paths(self, sha: str) -> tuple[str, ...]:
        """Every file of a commit, symbolic links and submodules included, sorted as git does."""
        listing = await git_tree.list_files(self._git, _commit(sha))
        return tuple(os.fsdecode(path) for path in listing.entries)

    async def tree_id(self, sha: str) -> str:
        """The id of a commit's tree: two commits with the same hold the same files, whoever made them."""
        return await self._git.line("rev-parse", "--verify", f"{_commit(sha)}^{{tree}}")

    async def show(self, sha: str, path: str, *, limit: int = 16 * MIB) -> bytes:
        """A file's bytes at a commit (for a symbolic link: its target). Raises UserError when absent or too large."""
        return await self.read_blob(f"{_commit(sha)}:{path}", limit=limit)

    async def read_blob(self, name: str, *, limit: int = 16 * MIB) -> bytes:
        """A blob's bytes by its id. Raises UserError when there is none or it is larger than `limit` bytes."""
        option_free(name)
        try:
            return await self._git.read("cat-file", "blob", name, limit=limit)
        except GitFailed:
            raise UserError(f"There is no file {name.partition(':')[2] or name!r} at that commit.") from None
        except OutputTooLarge:
            raise UserError(f"The file {name.partition(':')[2]!r} is larger than {limit // MIB} MiB.") from None

    async def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Whether `descendant` contains `ancestor`."""
        output = await self._git.run("merge-base", "--is-ancestor", _commit(ancestor), _commit(descendant))
        if output.code > 1:
            raise GitFailed("merge-base", output.code, output.stderr)
        return output.code == 0

    async def log_subjects(self, sha: str, *, count: int = 20) -> tuple[str, ...]:
        """The subjects of the last `count` commits up to `sha`, newest first."""
        data = await self._git.read(
            "log", "-z", "--no-mailmap", f"--max-count={count}", "--format=%s", _commit(sha), "--"
        )
        return tuple(subject.decode(errors="replace") for subject in data.split(b"\0") if subject)

    async def push(
        self,
        url: str,
        *,
        token: SecretStr | None,
        sha: str,
        branch: str,
        expect: str | None = None,
        prefix: str = "fettle/",
        protected: Collection[str] = (),
        timeout: float = 300,
    ) -> None:
        """Put `branch` of the remote at `sha`, if it is still at `expect` (None: absent); safe to do twice.

        Only below `prefix`, and never a branch in `protected` (give the default branch). Raises BranchMoved, UserError
        with the remote's reason, or Retry.
        """
        git_remote.check_branch(branch, prefix)
        if branch in protected:
            raise UserError(f"Fettle never pushes to the branch {branch!r}.")
        remote = git_remote.Remote.of(url, token, self._protocols)
        lease = None if expect is None else _commit(expect)
        await git_remote.push(self._git, remote, _commit(sha), branch, expect=lease, timeout=timeout)

    async def deliver(self, repository: LocalRepository, sha: str, branch: str, *, prefix: str = "fettle/") -> str:
        """Give a local repository a new branch at `sha`; see `git_local.deliver`. Returns the branch's name."""
        return await git_local.deliver(repository, self._git, _commit(sha), branch, prefix=prefix)

    async def _index_lines(self, patch: Patch, folder: Path) -> bytes:
        """The changes as `update-index` wants them, their contents stored as objects without any filter."""
        written = [change for change in patch.changes if change.content is not None]
        names = [folder / str(number) for number in range(len(written))]
        for name, change in zip(names, written, strict=True):
            name.write_bytes(change.content or b"")
        stdin = "".join(f"{name}\n" for name in names).encode()
        oids = (await self._git.line("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=stdin)).split()
        stored = {change.path: f"{change.mode.value} {oid}" for change, oid in zip(written, oids, strict=True)}
        lines = (f"{stored.get(path, '0 ' + '0' * 40)}\t{path}\0" for path in patch.paths)
        return "".join(lines).encode(errors="surrogateescape")

    async def _ensure(self) -> None:
        directory = self._git.directory
        if not (directory / "info" / "attributes").is_file():
            await self._git.read("init", "--bare", "--quiet", "--template=", "--initial-branch=none")
            (directory / "info").mkdir(exist_ok=True)
            (directory / "info" / "attributes").write_text(_ATTRIBUTES)

    @contextlib.asynccontextmanager
    async def _locked(self) -> AsyncIterator[int]:
        """Hold the mirror for ourselves, among tasks and processes alike; yields the descriptor that holds it."""
        path = self._git.directory.with_suffix(".lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            while not _try_lock(descriptor):  # noqa: ASYNC110 - the holder may be another process
                await asyncio.sleep(0.02)
            yield descriptor
        finally:
            os.close(descriptor)


_DIFF = ("diff-tree", "-r", "--no-ext-diff", "--no-textconv", "--no-renames", "--no-color", "--full-index")


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _candidates(ref: str) -> list[str]:
    if ref == "HEAD":
        return [HEAD]
    if not is_branch(ref):
        return []
    if ref.startswith("refs/"):
        return [ref]
    return ([ref] if _SHA.fullmatch(ref) else []) + [f"refs/remotes/origin/{ref}"]


def _commit(sha: str) -> str:
    if not _SHA.fullmatch(sha):
        raise ValueError(f"not a commit's id: {sha[:80]!r}")
    return sha


def _make_public(folder: Path) -> None:
    """Make the folder of base trees, readable for the sandbox's uid whatever our umask is."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (folder, folder.parent):
        path.chmod(0o755)


def _identity(author: Person, committer: Person, date: datetime | None) -> dict[str, str]:
    when = {} if date is None else {"GIT_AUTHOR_DATE": _stamp(date), "GIT_COMMITTER_DATE": _stamp(date)}
    return {
        "GIT_AUTHOR_NAME": author.name,
        "GIT_AUTHOR_EMAIL": author.email,
        "GIT_COMMITTER_NAME": committer.name,
        "GIT_COMMITTER_EMAIL": committer.email,
        **when,
    }


def _stamp(date: datetime) -> str:
    if date.tzinfo is None:
        raise ValueError("a commit's date needs a time zone")
    return f"@{int(date.timestamp())} +0000"


def _message(message: str) -> bytes:
    return message.replace("\0", "").strip().encode(errors="replace") + b"\n"


def _file_stat(record: bytes) -> FileStat:
    added, removed, path = record.split(b"\t", 2)
    binary = added == b"-"
    return FileStat(os.fsdecode(path), None if binary else int(added), None if binary else int(removed))
