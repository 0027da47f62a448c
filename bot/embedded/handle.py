"""One repository in the hands of a test or demo: what people do on it, and what can be read back.

Made by `bot.embedded.github.GitHub`. People are named by login and made when unknown; actions emit the webhooks that
GitHub would send. Errors are `bot.embedded.errors.ApiError`, as over REST.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.embedded.actions import accounts, checks, issues, pulls, refs
from bot.embedded.errors import not_found
from bot.embedded.gitrepo import ZERO, CommitInfo, Person
from bot.embedded.hub import Hub
from bot.embedded.state import Account, AccountKind, CheckRun, Comment, Issue, Pull, Reaction, Repository, Review, Role


@dataclass(frozen=True, slots=True)
class RepositoryHandle:
    """The repository `record` of `hub`. `by` and `author` are logins; the owner acts when none is given."""

    hub: Hub
    record: Repository

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return self.record.full_name

    @property
    def id(self) -> int:
        """The repository's id."""
        return self.record.id

    @property
    def clone_url(self) -> str:
        """Where git clones it from."""
        return f"{self.hub.urls.page(self.record)}.git"

    def add_collaborator(self, login: str, role: str = "write") -> Account:
        """Give a person a role: read, triage, write, maintain, admin."""
        account = self._account(login)
        self.record.collaborators[login.lower()] = Role(role)
        return account

    def remove_collaborator(self, login: str) -> None:
        """Take a person's role away."""
        self.record.collaborators.pop(login.lower(), None)

    def open_issue(
        self, title: str, body: str | None = None, *, author: str | None = None, labels: Iterable[str] = ()
    ) -> Issue:
        """Open an issue; emits `opened`, then `labeled` for each label."""
        return issues.open_issue(self.hub, self.record, self._account(author), title, body, list(labels))

    def edit_issue(
        self, number: int, *, title: str | None = None, body: str | None = None, by: str | None = None
    ) -> None:
        """Change an issue's or pull request's title or body."""
        issues.edit_issue(self.hub, self.record, self.issue(number), self._account(by), title=title, body=body)

    def add_label(self, number: int, name: str, by: str | None = None) -> None:
        """Put a label on an issue or pull request."""
        issues.add_labels(self.hub, self.record, self.issue(number), self._account(by), [name])

    def remove_label(self, number: int, name: str, by: str | None = None) -> None:
        """Take a label off."""
        issues.remove_label(self.hub, self.record, self.issue(number), self._account(by), name)

    def comment(self, number: int, body: str, by: str | None = None) -> Comment:
        """Comment on an issue or pull request."""
        return issues.comment(self.hub, self.record, self.issue(number), self._account(by), body)

    def edit_comment(self, comment: Comment, body: str, by: str | None = None) -> None:
        """Change a comment."""
        issues.edit_comment(self.hub, self.record, comment, self._account(by), body)

    def close(self, number: int, by: str | None = None, reason: str = "completed") -> None:
        """Close an issue or pull request."""
        issues.set_state(self.hub, self.record, self.issue(number), self._account(by), "closed", reason)

    def reopen(self, number: int, by: str | None = None) -> None:
        """Open it again."""
        issues.set_state(self.hub, self.record, self.issue(number), self._account(by), "open")

    def issue(self, number: int) -> Issue:
        """The issue or pull request of that number; ApiError 404."""
        found = self.record.issues.get(number)
        if found is None:
            raise not_found()
        return found

    def issues(self, state: str = "all") -> list[Issue]:
        """The issues that are not pull requests, oldest first; `state` is all, open or closed."""
        return [each for each in self.record.issues.values() if each.pull is None and state in ("all", each.state)]

    def labels(self, number: int) -> list[str]:
        """The names of an issue's labels."""
        return [label.name for label in self.issue(number).labels]

    def comments(self, number: int) -> list[Comment]:
        """The comments of an issue or pull request, oldest first."""
        return self.record.comments_of(number)

    def reactions(self, number: int) -> list[Reaction]:
        """The reactions on an issue or pull request; `content` is "eyes", "rocket", ..."""
        return self.issue(number).reactions

    async def open_pull(
        self, title: str, head: str, *, base: str | None = None, body: str | None = None, by: str | None = None
    ) -> Issue:
        """Open a pull request of a branch; its figures are in `.pull`."""
        actor, target = self._account(by), base or self.record.default_branch
        return await pulls.open_pull(self.hub, self.record, actor, title=title, head=head, base=target, body=body)

    def pulls(self, state: str = "all") -> list[Issue]:
        """The pull requests, oldest first; `state` is all, open or closed."""
        return [each for each in self.record.pulls() if state in ("all", each.state)]

    def pull(self, number: int) -> Pull:
        """What the pull request of that number has beyond its issue; ApiError 404."""
        pull = self.issue(number).pull
        if pull is None:
            raise not_found()
        return pull

    def closes(self, number: int) -> list[int]:
        """The issues that a pull request's body closes by GitHub's keywords."""
        return pulls.closes(self.issue(number).body or "")

    async def merge(self, number: int, by: str | None = None, method: str = "merge") -> str:
        """Merge a pull request; the sha. Closes the issues that it fixes."""
        return await pulls.merge(self.hub, self.record, self.issue(number), self._account(by), method=method)

    def mark_ready(self, number: int, by: str | None = None) -> None:
        """Make a draft ready for review."""
        pulls.set_draft(self.hub, self.record, self.issue(number), self._account(by), False)

    def review(self, number: int, state: str, body: str = "", by: str | None = None) -> Review:
        """Submit a review: APPROVED, CHANGES_REQUESTED or COMMENTED."""
        return pulls.review(self.hub, self.record, self.issue(number), self._account(by), state, body)

    async def diff(self, number: int) -> str:
        """A pull request's diff."""
        pull = self.pull(number)
        base = await self.record.git.merge_base(pull.base_sha, pull.head_sha) or pull.base_sha
        return (await self.record.git.diff(base, pull.head_sha)).decode(errors="replace")

    def check_runs(self, sha: str | None = None) -> list[CheckRun]:
        """Check runs, oldest first, of one commit when given."""
        return [run for run in self.record.check_runs.values() if sha in (None, run.head_sha)]

    def checks(self, number: int) -> dict[str, str]:
        """A pull request's check runs: name -> conclusion, or status while it runs."""
        runs = self.check_runs(self.pull(number).head_sha)
        return {run.name: run.conclusion or run.status for run in runs}

    def rerequest(self, run: CheckRun, by: str | None = None) -> None:
        """Press "Re-run" on a check run."""
        checks.rerequest(self.hub, self.record, run, self._account(by))

    def press(self, run: CheckRun, identifier: str, by: str | None = None) -> None:
        """Press one of a check run's buttons."""
        checks.request_action(self.hub, self.record, run, self._account(by), identifier)

    async def push(
        self,
        files: Mapping[str, str | bytes | None],
        *,
        branch: str | None = None,
        message: str = "Change files",
        by: str | None = None,
    ) -> str:
        """Commit whole files (None deletes) on a branch as if a person pushed; the sha. Emits `push`.

        A branch that does not exist starts at the default branch.
        """
        actor, name = self._account(by), branch or self.record.default_branch
        git, ref = self.record.git, f"refs/heads/{branch or self.record.default_branch}"
        author = Person(actor.name or actor.login, actor.noreply, self.hub.now().isoformat())
        async with git.moving:
            before = await git.ref(ref)
            start = None if before else await git.ref(f"refs/heads/{self.record.default_branch}")
            if start:
                await git.update_ref(ref, start)
            sha = await git.commit_files(name, files, message, author)
            await refs.moved(self.hub, self.record, actor, ref, before or ZERO, sha)
        return sha

    async def delete_branch(self, branch: str, by: str | None = None) -> None:
        """Delete a branch; closes its pull requests."""
        await refs.delete(self.hub, self.record, self._account(by), f"refs/heads/{branch}")

    async def refs(self) -> dict[str, str]:
        """Branch name -> sha."""
        found = await self.record.git.refs()
        return {name.removeprefix("refs/heads/"): sha for name, sha in found.items()}

    async def read(self, path: str, ref: str | None = None) -> str:
        """A file's text at a branch or commit (default branch); ApiError 404."""
        files = await self.files(ref)
        if path not in files:
            raise not_found()
        return files[path].decode()

    async def files(self, ref: str | None = None) -> dict[str, bytes]:
        """Every file at a branch or commit."""
        sha = await self.record.git.resolve(ref or self.record.default_branch)
        entries = await self.record.git.tree(sha, recursive=True) if sha else []
        return {each.path: await self.record.git.blob(each.sha) for each in entries if each.type == "blob"}

    async def log(self, ref: str | None = None) -> list[CommitInfo]:
        """Commits of a branch, newest first."""
        return await self.record.git.log([ref or self.record.default_branch])

    def verified(self, sha: str) -> bool:
        """Whether GitHub would show the commit as "Verified"."""
        return sha in self.record.verified

    def _account(self, login: str | None) -> Account:
        if login is None:
            return self.record.owner
        kind = AccountKind.BOT if login.endswith("[bot]") else AccountKind.USER
        return accounts.create_account(self.hub, login, kind)
