"""Fills an embedded GitHub from a YAML file, for `fettle github --seed FILE.yml`; called by `bot.cli`.

    accounts: [alice, {login: acme, organization: true}]          # optional: who is named below is made anyway
    repositories:
      - name: acme/calc                                           # owner/name
        files: {calc.py: "..."}                                   # inline,
        folder: calc                                              # or a folder next to the file; both: inline wins
        branch: main                                              # optional
        private: false                                            # optional
        collaborators: {alice: write}                             # read, triage, write, maintain, admin
        issues:
          - {title: add() is off by one, body: "...", author: alice, labels: [autofix]}

Every mistake is a `UserError` with one sentence that says where it is.
"""

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from bot.core.errors import UserError
from bot.core.patch import check_path
from bot.embedded.github import GitHub
from bot.embedded.handle import RepositoryHandle
from bot.embedded.state import App, Role

Login = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}$")]
FullName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9_.-]{1,100}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SeedAccount(_Strict):
    """A person, or an organisation."""

    login: Login
    organization: bool = False
    name: str | None = None


class SeedIssue(_Strict):
    """An open issue."""

    title: Annotated[str, StringConstraints(min_length=1)]
    body: str | None = None
    author: Login | None = None
    labels: list[str] = []


class SeedRepository(_Strict):
    """A repository with its people and issues."""

    name: FullName
    description: str | None = None
    private: bool = False
    branch: str = "main"
    files: dict[str, str] = {}
    folder: str | None = None
    collaborators: dict[Login, Role] = {}
    issues: list[SeedIssue] = []


class Seed(_Strict):
    """The whole file."""

    accounts: list[Login | SeedAccount] = []
    repositories: list[SeedRepository] = Field(min_length=1)


def load_seed(path: Path) -> Seed:
    """Read and check a seed file. Raises UserError."""
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"The seed file {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"The seed file {path} is not YAML: {' '.join(str(error).split())}.") from error
    try:
        return Seed.model_validate(data)
    except ValidationError as error:
        raise UserError(f"The seed file {path} is not right at {_first_problem(error)}.") from error


async def plant(github: GitHub, seed: Seed, folder: Path, app: App | None = None) -> list[RepositoryHandle]:
    """Make what the seed says; `folder` is where its `folder` entries are looked up. Raises UserError.

    Everything is checked before anything is made. `app` is installed on every owner before the issues are opened, so
    that it hears of them.
    """
    contents = [(each, _contents(each, folder)) for each in seed.repositories]
    _check_names(github, seed)
    for account in seed.accounts:
        _make_account(github, account)
    if app is not None:
        for owner in dict.fromkeys(each.name.split("/")[0].lower() for each in seed.repositories):
            github.install(app, owner)
    return [await _make_repository(github, each, files) for each, files in contents]


def _make_account(github: GitHub, account: str | SeedAccount) -> None:
    if isinstance(account, str):
        github.user(account)
    elif account.organization:
        github.organization(account.login)
    else:
        github.user(account.login, account.name)


async def _make_repository(github: GitHub, wanted: SeedRepository, files: dict[str, str | bytes]) -> RepositoryHandle:
    repo = await github.create_repository(
        wanted.name, files, default_branch=wanted.branch, private=wanted.private, description=wanted.description
    )
    for login, role in wanted.collaborators.items():
        repo.add_collaborator(login, role)
    for issue in wanted.issues:
        repo.open_issue(issue.title, issue.body, author=issue.author, labels=issue.labels)
    return repo


def _contents(wanted: SeedRepository, folder: Path) -> dict[str, str | bytes]:
    files: dict[str, str | bytes] = {}
    if wanted.folder is not None:
        files.update(_folder(folder / wanted.folder, wanted.name))
    files.update(wanted.files)
    for path in files:
        check_path(path)
    return files


def _folder(folder: Path, name: str) -> dict[str, bytes]:
    if not folder.is_dir():
        raise UserError(f"The seed's repository {name} wants the folder {folder}, which does not exist.")
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink()]
    inside = [(path.relative_to(folder), path) for path in found]
    return {
        short.as_posix(): path.read_bytes()
        for short, path in inside
        if not {".git", "__pycache__", ".venv"} & set(short.parts)
    }


def _check_names(github: GitHub, seed: Seed) -> None:
    seen = {repo.full_name.lower() for repo in github.repos()}
    for wanted in seed.repositories:
        if wanted.name.lower() in seen:
            raise UserError(f"The seed names the repository {wanted.name} twice.")
        seen.add(wanted.name.lower())


def _first_problem(error: ValidationError) -> str:
    problem: Any = error.errors(include_url=False)[0]
    place = ".".join(str(step) for step in problem["loc"]) or "the top"
    return f"{place}: {problem['msg'][:1].lower()}{problem['msg'][1:]}"
