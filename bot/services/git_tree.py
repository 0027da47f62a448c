"""Base trees: a commit's files in a folder, cached, for sandboxes to read. Used by `git.Mirror.base_tree`.

Made by plumbing from objects alone, with no filter, no attribute and no line-ending change: every byte is as committed.
Files that an older cached tree already holds are hard-linked from it, which is safe because nothing ever writes to a
base tree: sandboxes see it as the lower layer of a copy-on-write view. Symbolic links that lead out of the tree or
round in a circle are left out: inside the sandbox they would make every tool walk the sandbox's own system. The commit
keeps them, since commits are built from objects. Still, never open a base tree's files from outside the sandbox.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from bot.core.errors import UserError
from bot.services.git_process import MIB, Git, GitFailed, OutputTooLarge

MAX_FILES = 200_000
MAX_BYTES = 1024 * MIB
_MAX_PATH, _MAX_DEPTH = 3500, 200


@dataclass(frozen=True, slots=True)
class Listing:
    """A commit's files: path (bytes, posix) to mode, type and object id, as `ls-tree` gives them."""

    entries: dict[bytes, bytes]
    size: int

    @classmethod
    def parse(cls, data: bytes) -> Listing:
        """From the output of `ls-tree -r -z -l`."""
        entries, total = {}, 0
        for record in data.split(b"\0")[:-1]:
            head, path = record.split(b"\t", 1)
            identity, size = head.rsplit(b" ", 1)
            entries[path] = identity.rstrip()
            total += int(size) if size.isdigit() else 0
        return cls(entries, total)


async def list_files(git: Git, sha: str) -> Listing:
    """Every file of a commit, counted before anything is written; raises UserError above the limits of a base tree."""
    try:
        data = await git.read("ls-tree", "-r", "-z", "-l", "--full-tree", "--end-of-options", sha)
    except OutputTooLarge:
        raise UserError(f"The repository has more than {MAX_FILES:,} files; that is too large for Fettle.") from None
    listing = await asyncio.to_thread(Listing.parse, data)
    if len(listing.entries) > MAX_FILES:
        raise UserError(f"The repository has more than {MAX_FILES:,} files; that is too large for Fettle.")
    if listing.size > MAX_BYTES:
        raise UserError(f"The repository's files add up to more than {MAX_BYTES // MIB:,} MiB; that is too large.")
    if any(len(path) > _MAX_PATH or path.count(b"/") > _MAX_DEPTH for path in listing.entries):
        raise UserError("The repository has a path that is too long or too deep.")
    return listing


async def materialise(git: Git, sha: str, folder: Path, *, previous: str | None = None) -> Path:
    """Make `folder/<sha>` hold the commit's files and return it; all or nothing, safe to run in several processes.

    `previous` is a commit whose tree stands in the same folder. Raises UserError for a too large or unsafe tree.
    """
    target = folder / sha
    listing, changed = await asyncio.gather(list_files(git, sha), _changed(git, previous, sha))
    temporary = Path(tempfile.mkdtemp(prefix=".new-", dir=folder))
    try:
        tree = temporary / "tree"
        missing = await asyncio.to_thread(_link, listing, changed, folder / (previous or ""), tree)
        await _check_out(git, listing, missing, tree, temporary / "index")
        await asyncio.to_thread(_leave_out_links, tree, listing)
        # Lost the race against another process when this fails: theirs is as good.
        with contextlib.suppress(OSError):
            tree.rename(target)
    finally:
        await asyncio.to_thread(shutil.rmtree, temporary, ignore_errors=True)
    if not target.is_dir():
        raise UserError(f"The files of commit {sha[:12]} could not be laid out.")
    return target


async def _changed(git: Git, previous: str | None, sha: str) -> frozenset[bytes] | None:
    """The paths that differ from the previous tree, None (all of them) when there is none."""
    if previous is None:
        return None
    output = await git.run("diff-tree", "-r", "-z", "--no-renames", "--name-only", previous, sha)
    # A tree may outlive its mirror, and then nothing is known of it.
    return None if output.code else frozenset(output.stdout.split(b"\0"))


async def _check_out(git: Git, listing: Listing, paths: Collection[bytes], tree: Path, index: Path) -> None:
    if not paths:
        return
    environment = {"GIT_INDEX_FILE": str(index)}
    info = b"".join(_index_line(path, listing.entries[path]) for path in paths)
    await fill_index(git, index, info)
    try:
        arguments = (f"--work-tree={tree}", "checkout-index", "--all", "--quiet")
        await git.read(*arguments, environment=environment, cwd=tree, timeout=600)
    except GitFailed as failure:
        raise UserError(
            f"The repository holds a path that cannot be laid out safely: {failure.stderr[:200]}"
        ) from failure


async def fill_index(git: Git, index: Path, lines: bytes) -> None:
    """Write `update-index --index-info` lines into an index of its own, without which nothing is laid out or committed.

    The index refuses every path that could leave the folder or alias `.git`; git only mumbles then, we raise UserError.
    """
    output = await git.run(
        "update-index", "-z", "--index-info", environment={"GIT_INDEX_FILE": str(index)}, stdin=lines, timeout=600
    )
    if output.code or "Ignoring path" in output.stderr:
        raise UserError(f"Git refuses a path as unsafe: {output.stderr.strip()[:200]}")


def _index_line(path: bytes, identity: bytes) -> bytes:
    mode, _, oid = identity.split()
    return b"%s %s\t%s\0" % (mode, oid, path)


def _link(listing: Listing, changed: frozenset[bytes] | None, source: Path, tree: Path) -> list[bytes]:
    """Hard-link into `tree` what `source` holds unchanged; return the other paths, sorted as git sorts them."""
    root, old = os.fsencode(tree) + b"/", os.fsencode(source) + b"/"
    made: set[bytes] = set()
    _make_folder(root, b"", made)
    if changed is None:
        return list(listing.entries)
    return [path for path in listing.entries if path in changed or not _link_one(old, root, path, made)]


def _link_one(old: bytes, root: bytes, path: bytes, made: set[bytes]) -> bool:
    parent = path.rpartition(b"/")[0]
    try:
        if parent not in made:
            parts = parent.split(b"/")
            for depth in range(1, len(parts) + 1):
                _make_folder(root, b"/".join(parts[:depth]), made)
        os.link(old + path, root + path, follow_symlinks=False)
    except OSError:  # pruned meanwhile, too many links, a submodule's folder: git lays it out instead
        return False
    return True


def _leave_out_links(tree: Path, listing: Listing) -> None:
    """Remove links to what is not below the tree, and to a folder that they lie in themselves; nothing is opened."""
    root = os.path.realpath(os.fsencode(tree))
    for path, identity in listing.entries.items():
        if not identity.startswith(b"120000"):
            continue
        link = os.path.join(root, path)  # noqa: PTH118 - paths are bytes here, since names need not be text
        end = os.path.realpath(link)
        around = os.path.dirname(link) + b"/"  # noqa: PTH120 - as above
        if not end.startswith(root + b"/") or around.startswith(end + b"/"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(link)  # noqa: PTH108 - as above


def _make_folder(root: bytes, path: bytes, made: set[bytes]) -> None:
    """Raises FileExistsError when something that we did not make is in the way, such as a link to elsewhere."""
    if path not in made:
        os.mkdir(root + path)  # noqa: PTH102 - paths are bytes here, since names need not be text
        os.chmod(root + path, 0o755)  # noqa: PTH101, S103 - the sandbox's uid must read it
        made.add(path)


def newest(folder: Path) -> str | None:
    """The commit whose tree in `folder` was asked for last, if any."""
    trees = [(path.stat().st_mtime, path.name) for path in folder.iterdir() if not path.name.startswith(".")]
    return max(trees, default=(0.0, None))[1]


def prune(folder: Path, keep: Collection[str], before: float) -> int:
    """Remove trees and leftovers not asked for since `before` (Unix time) that are not in `keep`; returns how many."""
    old = [path for path in folder.iterdir() if path.name not in keep and path.lstat().st_mtime < before]
    for path in old:
        # Renamed first, so that nobody is given a half-removed tree.
        doomed = path.with_name(f".old-{path.name}")
        path.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
    return len(old)
