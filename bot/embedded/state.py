"""The state model of the embedded GitHub: what accounts, repositories, issues, pulls and apps are, and nothing else.

Plain mutable records, held by `State`; `bot.embedded.actions` changes them, `bot.embedded.shapes` renders them.
What git knows (refs, trees, commits) is not here: it lives in real bare repositories (`bot.embedded.gitrepo`).
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import count

from bot.embedded.gitrepo import BareRepository


class AccountKind(StrEnum):
    """What GitHub writes into `type` of an account."""

    USER = "User"
    ORGANIZATION = "Organization"
    BOT = "Bot"


class Role(StrEnum):
    """A person's role in one repository, weakest first."""

    READ = "read"
    TRIAGE = "triage"
    WRITE = "write"
    MAINTAIN = "maintain"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """Position in the order of roles: 0 for read, 4 for admin."""
        return list(Role).index(self)


REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")


@dataclass(slots=True, eq=False)
class Account:
    """A person, an organisation or an app's bot user."""

    id: int
    login: str
    kind: AccountKind
    created_at: datetime
    name: str | None = None
    email: str | None = None

    @property
    def noreply(self) -> str:
        """The address that GitHub writes into commits made for this account."""
        return f"{self.id}+{self.login}@users.noreply.github.com"


@dataclass(slots=True, eq=False)
class App:
    """A GitHub App. `private_key` is PEM (RSA 2048, PKCS#1); `webhook_url` None means that no hook is configured."""

    id: int
    slug: str
    name: str
    owner: Account
    bot: Account
    private_key: str
    public_key: str
    webhook_secret: str
    client_id: str
    client_secret: str
    hook_id: int
    permissions: dict[str, str]
    events: tuple[str, ...]
    created_at: datetime
    webhook_url: str | None = None


@dataclass(slots=True, eq=False)
class Installation:
    """An App on an account; `repository_ids` None means all of the account's repositories."""

    id: int
    app: App
    account: Account
    repository_ids: set[int] | None
    permissions: dict[str, str]
    created_at: datetime
    suspended_at: datetime | None = None


@dataclass(slots=True, eq=False)
class InstallationToken:
    """A `ghs_` token: what it may do, on which repositories, until when."""

    token: str
    installation: Installation
    permissions: dict[str, str]
    repository_ids: set[int] | None
    expires_at: datetime


@dataclass(slots=True, eq=False)
class Label:
    """A label of a repository; `color` is six hex digits."""

    id: int
    name: str
    color: str = "ededed"
    description: str | None = None


@dataclass(slots=True, eq=False)
class Reaction:
    """One person's reaction; `content` is one of REACTIONS."""

    id: int
    content: str
    user: Account
    created_at: datetime


@dataclass(slots=True, eq=False)
class Comment:
    """A comment on an issue or pull request; `app` when an app's token wrote it."""

    id: int
    issue_number: int
    user: Account
    body: str
    created_at: datetime
    updated_at: datetime
    app: App | None = None
    reactions: list[Reaction] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Pull:
    """What a pull request has beyond its issue. The shas and figures follow the branches (`actions.pulls.refresh`)."""

    id: int
    head_ref: str
    base_ref: str
    head_sha: str
    base_sha: str
    draft: bool = False
    additions: int = 0
    deletions: int = 0
    changed_files: int = 0
    commits: int = 0
    mergeable: bool | None = None
    merged_at: datetime | None = None
    merged_by: Account | None = None
    merge_commit_sha: str | None = None
    requested_reviewers: list[Account] = field(default_factory=list)
    reviews: list["Review"] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Review:
    """A submitted review; `state` is APPROVED, CHANGES_REQUESTED or COMMENTED."""

    id: int
    user: Account
    body: str
    state: str
    commit_id: str
    submitted_at: datetime


@dataclass(slots=True, eq=False)
class Issue:
    """An issue; a pull request when `pull` is set, as on GitHub both share one number sequence."""

    id: int
    number: int
    title: str
    body: str | None
    user: Account
    created_at: datetime
    updated_at: datetime
    app: App | None = None
    state: str = "open"
    state_reason: str | None = None
    closed_at: datetime | None = None
    closed_by: Account | None = None
    labels: list[Label] = field(default_factory=list)
    assignees: list[Account] = field(default_factory=list)
    reactions: list[Reaction] = field(default_factory=list)
    pull: Pull | None = None


@dataclass(frozen=True, slots=True)
class Annotation:
    """A check run's note on lines of a file; the keys of GitHub's request, defaults filled in."""

    path: str
    start_line: int
    end_line: int
    annotation_level: str
    message: str
    title: str | None = None
    raw_details: str | None = None
    start_column: int | None = None
    end_column: int | None = None


@dataclass(slots=True, eq=False)
class CheckRun:
    """A check run on a commit. `status`: queued, in_progress, completed; `conclusion` only when completed."""

    id: int
    suite_id: int
    name: str
    head_sha: str
    app: App
    status: str = "queued"
    conclusion: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    external_id: str | None = None
    details_url: str | None = None
    title: str | None = None
    summary: str | None = None
    text: str | None = None
    annotations: list[Annotation] = field(default_factory=list)
    actions: list[dict[str, str]] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class CommitStatus:
    """One commit status (`state`: error, failure, pending, success)."""

    id: int
    sha: str
    state: str
    context: str
    creator: Account
    created_at: datetime
    description: str | None = None
    target_url: str | None = None


@dataclass(slots=True, eq=False)
class Repository:
    """A repository: its people, issues and checks here, its objects in `git`."""

    id: int
    owner: Account
    name: str
    git: BareRepository
    created_at: datetime
    pushed_at: datetime
    default_branch: str = "main"
    description: str | None = None
    private: bool = False
    collaborators: dict[str, Role] = field(default_factory=dict)
    labels: dict[str, Label] = field(default_factory=dict)
    issues: dict[int, Issue] = field(default_factory=dict)
    comments: dict[int, Comment] = field(default_factory=dict)
    check_runs: dict[int, CheckRun] = field(default_factory=dict)
    statuses: list[CommitStatus] = field(default_factory=list)
    verified: set[str] = field(default_factory=set)

    @property
    def full_name(self) -> str:
        """`owner/name`."""
        return f"{self.owner.login}/{self.name}"

    def role(self, account: Account) -> Role | None:
        """The account's role; None when it has none beyond what everybody has."""
        if account is self.owner:
            return Role.ADMIN
        return self.collaborators.get(account.login.lower())

    def comments_of(self, number: int) -> list[Comment]:
        """The comments of one issue, oldest first."""
        return [comment for comment in self.comments.values() if comment.issue_number == number]

    def pulls(self) -> list[Issue]:
        """The issues that are pull requests, oldest first."""
        return [issue for issue in self.issues.values() if issue.pull is not None]


@dataclass(slots=True)
class State:
    """Everything that the server knows; keys are lower case where GitHub ignores case."""

    accounts: dict[str, Account] = field(default_factory=dict)
    apps: dict[int, App] = field(default_factory=dict)
    installations: dict[int, Installation] = field(default_factory=dict)
    repositories: dict[int, Repository] = field(default_factory=dict)
    tokens: dict[str, InstallationToken] = field(default_factory=dict)
    user_tokens: dict[str, Account] = field(default_factory=dict)
    manifest_codes: dict[str, App] = field(default_factory=dict)
    # Clients cache tokens by app and installation id: two servers in one process must not share ids.
    _ids: Iterator[int] = field(default_factory=lambda: count(1_000_000 + secrets.randbelow(1_000_000_000)))

    def new_id(self) -> int:
        """A fresh id, unique over all kinds of records."""
        return next(self._ids)

    def repository(self, full_name: str) -> Repository | None:
        """The repository `owner/name`, whatever the case."""
        wanted = full_name.lower()
        return next((repo for repo in self.repositories.values() if repo.full_name.lower() == wanted), None)

    def repositories_of(self, installation: Installation) -> list[Repository]:
        """The repositories that an installation reaches, oldest first."""
        return [
            repo
            for repo in self.repositories.values()
            if repo.owner is installation.account
            and (installation.repository_ids is None or repo.id in installation.repository_ids)
        ]

    def installations_on(self, repository: Repository) -> list[Installation]:
        """The installations that reach a repository and are not suspended."""
        return [
            each
            for each in self.installations.values()
            if each.suspended_at is None and repository in self.repositories_of(each)
        ]
