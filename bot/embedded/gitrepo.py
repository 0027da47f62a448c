"""A bare git repository, driven by plumbing only: the objects behind the embedded GitHub.

Called by `bot.embedded.actions` and `bot.embedded.rest`; nothing here knows of accounts or HTTP. Every method runs
`git` as a subprocess with an argv list and raises `GitError` with git's own words when it fails.
"""

import asyncio
import os
import re
import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.embedded.gitdiff import FileDiff, file_diffs, patches_by_path

ZERO = "0" * 40
_SHA = re.compile(r"[0-9a-f]{40}")
EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


class GitError(Exception):
    """git said no; `str(error)` holds its message."""


@dataclass(frozen=True, slots=True)
class Person:
    """An author or committer; `date` is ISO 8601 with an offset, or empty for now."""

    name: str
    email: str
    date: str = ""


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """A commit as git stores it."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Person
    committer: Person
    message: str


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One row of `git ls-tree -l`; `size` is None for trees and submodules."""

    mode: str
    type: str
    sha: str
    size: int | None
    path: str


class BareRepository:
    """One bare repository at `path`; `init` makes it, every other method expects it to exist.

    Whoever moves refs and announces it holds `moving`, so that nothing is announced twice or out of order.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.moving = asyncio.Lock()

    async def init(self, default_branch: str) -> None:
        """Make the repository, HEAD on `default_branch`, ready for smart HTTP in both directions."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        await self._run("init", "--quiet", "--bare", f"--initial-branch={default_branch}", str(self.path), bare=False)
        settings = {
            "http.receivepack": "true",
            "receive.fsckObjects": "true",
            "receive.denyDeleteCurrent": "refuse",
            "uploadpack.allowFilter": "true",
            "uploadpack.allowAnySHA1InWant": "true",
            "uploadpack.hideRefs": "refs/hidden",
            "gc.auto": "0",
            "core.logAllRefUpdates": "false",
            "core.fsync": "none",
        }
        text = "".join(f"[{key.split('.')[0]}]\n\t{key.split('.')[1]} = {value}\n" for key, value in settings.items())
        with (self.path / "config").open("a") as config:
            config.write(text)

    async def refs(self, prefix: str = "refs/heads/") -> dict[str, str]:
        """Full ref name -> sha of every ref that starts with `prefix`."""
        out = await self.text("for-each-ref", "--format=%(refname) %(objectname)", prefix.rstrip("/"))
        pairs = (line.split(" ", 1) for line in out.splitlines())
        return {name: sha for name, sha in pairs if name.startswith(prefix)}

    async def resolve(self, name: str, kind: str = "commit") -> str | None:
        """The sha that `name` (branch, tag, full ref, sha) stands for, peeled to `kind`; None when there is none."""
        if not name or name.startswith("-"):
            return None
        out = await self._try("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{{kind}}}")
        return out.decode().strip() or None if out is not None else None

    async def ref(self, full_ref: str) -> str | None:
        """The sha of exactly this full ref, or None."""
        out = await self._try("show-ref", "--verify", "--hash", full_ref)
        return out.decode().strip() or None if out is not None else None

    async def kind(self, sha: str) -> str | None:
        """`commit`, `tree`, `blob`, `tag`, or None when there is no such object (or it is no full sha at all)."""
        if not _SHA.fullmatch(sha):
            return None
        out = await self._try("cat-file", "-t", sha)
        return out.decode().strip() if out is not None else None

    async def update_ref(self, full_ref: str, new: str, old: str | None = None) -> None:
        """Point `full_ref` at `new` (ZERO deletes it), only if it is at `old` when that is given."""
        if new == ZERO:
            await self._run("update-ref", "-d", full_ref, *([old] if old else []))
        else:
            await self._run("update-ref", full_ref, new, *([old] if old else []))

    async def valid_ref(self, full_ref: str) -> bool:
        """Whether git accepts the name."""
        return await self._try("check-ref-format", full_ref) is not None

    async def commit(self, sha: str) -> CommitInfo | None:
        """The commit `sha`, or None."""
        found = await self.log([sha], limit=1)
        return found[0] if found else None

    async def log(self, revisions: Iterable[str], *, limit: int = 250, paths: Iterable[str] = ()) -> list[CommitInfo]:
        """Commits of `git log <revisions> -- <paths>`, newest first; an unknown revision gives an empty list."""
        fields = "%H%x1f%T%x1f%P%x1f%an%x1f%ae%x1f%aI%x1f%cn%x1f%ce%x1f%cI%x1f%B%x1e"
        argv = ["log", f"--max-count={limit}", f"--format={fields}", "--end-of-options", *revisions, "--", *paths]
        out = await self._try(*argv)
        if out is None:
            return []
        records = out.decode(errors="replace").split("\x1e")
        return [_commit_info(record.lstrip("\n")) for record in records if record.strip()]

    async def count(self, revisions: str) -> int:
        """`git rev-list --count <revisions>`."""
        return int(await self.text("rev-list", "--count", "--end-of-options", revisions))

    async def tree(self, sha: str, *, recursive: bool = False, path: str = "") -> list[TreeEntry]:
        """The entries of a tree; recursive lists the subtrees too, as GitHub does."""
        flags = ["-r", "-t"] if recursive else []
        out = await self._run("ls-tree", "-l", "-z", *flags, "--", sha, *([path] if path else []))
        return [_tree_entry(row) for row in out.decode(errors="surrogateescape").split("\0") if row]

    async def blob(self, sha: str) -> bytes:
        """The bytes of a blob."""
        return await self._run("cat-file", "blob", sha)

    async def write_blob(self, content: bytes) -> str:
        """Store bytes, return the blob's sha."""
        return (await self._run("hash-object", "-w", "--stdin", stdin=content)).decode().strip()

    async def write_tree(self, base: str | None, entries: Mapping[str, tuple[str, str] | None]) -> str:
        """A tree: `base` with `entries` (path -> (mode, sha), or None to remove) laid over it; its sha."""
        async with self._index() as env:
            if base is not None:
                await self._run("read-tree", base, env=env)
            rows = [_index_row(path, entry) for path, entry in entries.items()]
            await self._run("update-index", "-z", "--index-info", stdin="".join(rows).encode(), env=env)
            return (await self._run("write-tree", env=env)).decode().strip()

    async def write_commit(
        self, tree: str, parents: Iterable[str], message: str, author: Person, committer: Person
    ) -> str:
        """A commit object; its sha. No ref moves."""
        env = {
            "GIT_AUTHOR_NAME": author.name,
            "GIT_AUTHOR_EMAIL": author.email,
            "GIT_AUTHOR_DATE": author.date,
            "GIT_COMMITTER_NAME": committer.name,
            "GIT_COMMITTER_EMAIL": committer.email,
            "GIT_COMMITTER_DATE": committer.date,
        }
        flags = [flag for parent in parents for flag in ("-p", parent)]
        out = await self._run("commit-tree", *flags, tree, stdin=message.encode(), env=env)
        return out.decode().strip()

    async def commit_files(
        self, branch: str, files: Mapping[str, str | bytes | None], message: str, author: Person
    ) -> str:
        """Commit whole files (None deletes) on top of `branch`, made when missing; the new sha. One git process."""
        parent = await self.ref(f"refs/heads/{branch}")
        await self._run("fast-import", "--quiet", "--force", stdin=_fast_import(branch, parent, files, message, author))
        sha = await self.ref(f"refs/heads/{branch}")
        assert sha is not None
        return sha

    async def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor, or None."""
        out = await self._try("merge-base", "--end-of-options", one, other)
        return out.decode().strip() or None if out is not None else None

    async def merged_tree(self, base: str, head: str) -> str | None:
        """The tree of merging `head` into `base`; None on conflict or without common history."""
        out = await self._try("merge-tree", "--write-tree", "--no-messages", base, head)
        return out.decode().split()[0] if out is not None else None

    async def diff(self, base: str, head: str) -> bytes:
        """The unified diff between two trees or commits."""
        return await self._run("diff-tree", "-r", "-p", "--full-index", "-M", base, head)

    async def files(self, base: str, head: str) -> list[FileDiff]:
        """The files that differ, with counts and patches."""
        numbers = await self._run("diff-tree", "-r", "-M", "--raw", "--numstat", "-z", "--no-abbrev", base, head)
        patches = patches_by_path((await self.diff(base, head)).decode(errors="replace"))
        return file_diffs(numbers.decode(errors="surrogateescape"), patches)

    async def changed_paths(self, parent: str | None, sha: str) -> dict[str, list[str]]:
        """What a commit `added`, `removed` and `modified` against its parent, as push payloads list it."""
        out = await self._run("diff-tree", "-r", "-z", "--no-renames", "--name-status", parent or EMPTY_TREE, sha)
        tokens = out.decode(errors="surrogateescape").split("\0")[:-1]
        rows = list(zip(tokens[::2], tokens[1::2], strict=True))
        kinds = {"added": "A", "removed": "D", "modified": "MT"}
        return {kind: [path for letter, path in rows if letter in letters] for kind, letters in kinds.items()}

    async def text(self, *argv: str) -> str:
        """Run git, return its output as text. Raises GitError."""
        return (await self._run(*argv)).decode(errors="replace")

    @asynccontextmanager
    async def _index(self) -> AsyncIterator[dict[str, str]]:
        with tempfile.TemporaryDirectory(prefix="fettle-index-") as folder:
            yield {"GIT_INDEX_FILE": str(Path(folder) / "index")}

    async def _try(self, *argv: str) -> bytes | None:
        try:
            return await self._run(*argv)
        except GitError:
            return None

    async def _run(
        self, *argv: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None, bare: bool = True
    ) -> bytes:
        place = ["--git-dir", str(self.path)] if bare else []
        process = await asyncio.create_subprocess_exec(
            "git",
            *place,
            *argv,
            stdin=asyncio.subprocess.DEVNULL if stdin is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**environment(), **(env or {})},
        )
        out, err = await process.communicate(stdin)
        if process.returncode:
            raise GitError(err.decode(errors="replace").strip() or f"git {argv[0]} failed ({process.returncode})")
        return out


def environment() -> dict[str, str]:
    """The environment of every git process: no configuration from outside, no prompts."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
    }


def _commit_info(record: str) -> CommitInfo:
    sha, tree, parents, *people, message = record.split("\x1f", 9)
    author, committer = Person(people[0], people[1], people[2]), Person(people[3], people[4], people[5])
    return CommitInfo(sha, tree, tuple(parents.split()), author, committer, message.rstrip("\n"))


def _tree_entry(row: str) -> TreeEntry:
    meta, path = row.split("\t", 1)
    mode, kind, sha, size = meta.split()
    return TreeEntry(mode, kind, sha, int(size) if size.isdigit() else None, path)


def _index_row(path: str, entry: tuple[str, str] | None) -> str:
    mode, sha = entry or ("0", ZERO)
    return f"{mode} {sha}\t{path}\0"


def _fast_import(
    branch: str, parent: str | None, files: Mapping[str, str | bytes | None], message: str, author: Person
) -> bytes:
    text = message.encode()
    moment = datetime.fromisoformat(author.date) if author.date else datetime.now(UTC)
    person = f"{author.name} <{author.email}> {int(moment.timestamp())} +0000"
    head = [f"commit refs/heads/{branch}", f"committer {person}", f"data {len(text)}"]
    out = [*(line.encode() for line in head), text]
    if parent:
        out.append(f"from {parent}".encode())
    for path, content in files.items():
        out.append(_fast_import_file(path, content))
    return b"\n".join([*out, b""])


def _fast_import_file(path: str, content: str | bytes | None) -> bytes:
    quoted = b'"' + _quoted(path) + b'"'
    if content is None:
        return b"D " + quoted
    data = content.encode() if isinstance(content, str) else content
    mode = "100755" if data.startswith(b"#!") else "100644"
    return f"M {mode} inline ".encode() + quoted + f"\ndata {len(data)}\n".encode() + data


def _quoted(path: str) -> bytes:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return escaped.encode(errors="surrogateescape")
