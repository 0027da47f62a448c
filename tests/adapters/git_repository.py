"""A real repository for tests, written with the plain git binary as a user would."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_AUTHOR_DATE": "@1700000000 +0000",
    "GIT_COMMITTER_DATE": "@1700000000 +0000",
}


class Repository:
    """A repository with a work tree at `path`, on branch main."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str, stdin: bytes = b"", **environment: str) -> str:
        """Run git in the work tree; raises CalledProcessError."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env=_ENVIRONMENT | environment,
            input=stdin,
            capture_output=True,
            check=True,
        )
        return done.stdout.decode(errors="surrogateescape").strip()

    def commit(
        self, files: Mapping[str, str | bytes] | Mapping[str, str | bytes | None], message: str = "change"
    ) -> str:
        """Write (or, for None, remove) files, commit all and return the commit's id."""
        for name, content in files.items():
            file = self.path / name
            if content is None:
                file.unlink()
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def tree(self, *entries: tuple[str, str, str]) -> str:
        """A tree object of (mode, id, name) written without any check, for hostile ones; returns its id."""
        data = b"".join(
            f"{mode.lstrip('0')} {name}\0".encode(errors="surrogateescape") + bytes.fromhex(oid)
            for mode, oid, name in entries
        )
        return self.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=data)

    def blob(self, content: bytes) -> str:
        """A blob's id."""
        return self.git("hash-object", "-w", "--stdin", stdin=content)

    def commit_tree(self, tree: str, message: str = "hostile") -> str:
        """Put main at a new commit of `tree` and return its id."""
        sha = self.git("commit-tree", tree, "-m", message)
        self.git("update-ref", "refs/heads/main", sha)
        return sha
