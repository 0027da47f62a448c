"""HTML pages for people: repositories, issues, pull requests with their diff, check runs, commits. They only show.

Routes are made by `bot.embedded.app`; private repositories have no pages, because nobody signs in here.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.embedded.gitrepo import EMPTY_TREE
from bot.embedded.hub import Hub
from bot.embedded.state import Issue, Repository
from bot.embedded.templating import render

Page = Callable[["Hub", Request, Repository], Awaitable[Response]]


def page_routes(hub: Hub) -> list[Route]:
    """The routes of the pages, most special first."""

    async def home(request: Request) -> Response:
        shown = [repo for repo in hub.state.repositories.values() if not repo.private]
        return render("home.html", hub, repositories=shown, apps=list(hub.state.apps.values()))

    return [
        Route("/", home),
        _route(hub, "/issues/{number:int}", issue_page),
        _route(hub, "/pull/{number:int}.diff", pull_diff),
        _route(hub, "/pull/{number:int}", pull_page),
        _route(hub, "/runs/{run_id:int}", run_page),
        _route(hub, "/commit/{sha}", commit_page),
        _route(hub, "/compare/{span:path}", compare_page),
        _route(hub, "/blob/{place:path}", blob_page),
        _route(hub, "/raw/{place:path}", raw_page),
        _route(hub, "", repository_page),
    ]


async def repository_page(hub: Hub, request: Request, repo: Repository) -> Response:
    """Files of the default branch, branches, issues and pull requests."""
    tip = await repo.git.ref(f"refs/heads/{repo.default_branch}")
    entries = await repo.git.tree(tip, recursive=True) if tip else []
    files = [entry.path for entry in entries if entry.type == "blob"]
    branches = [name.removeprefix("refs/heads/") for name in await repo.git.refs()]
    issues = sorted(repo.issues.values(), key=lambda issue: -issue.number)
    return render("repository.html", hub, repo=repo, files=files, branches=branches, issues=issues, tip=tip)


async def issue_page(hub: Hub, request: Request, repo: Repository) -> Response:
    """An issue with labels, reactions and comments."""
    issue = _issue(request, repo)
    if issue is None:
        return _missing(hub)
    return render("issue.html", hub, repo=repo, issue=issue, comments=repo.comments_of(issue.number))


async def pull_page(hub: Hub, request: Request, repo: Repository) -> Response:
    """A pull request: conversation, commits, check runs, diff."""
    issue = _issue(request, repo)
    if issue is None or issue.pull is None:
        return _missing(hub)
    base = await repo.git.merge_base(issue.pull.base_sha, issue.pull.head_sha) or issue.pull.base_sha
    return render(
        "pull.html",
        hub,
        repo=repo,
        issue=issue,
        pull=issue.pull,
        comments=repo.comments_of(issue.number),
        commits=(await repo.git.log([f"{issue.pull.base_sha}..{issue.pull.head_sha}"]))[::-1],
        runs=[run for run in repo.check_runs.values() if run.head_sha == issue.pull.head_sha],
        files=await repo.git.files(base, issue.pull.head_sha),
    )


async def pull_diff(hub: Hub, request: Request, repo: Repository) -> Response:
    """A pull request's diff as text."""
    issue = _issue(request, repo)
    if issue is None or issue.pull is None:
        return _missing(hub)
    base = await repo.git.merge_base(issue.pull.base_sha, issue.pull.head_sha) or issue.pull.base_sha
    return PlainTextResponse(await repo.git.diff(base, issue.pull.head_sha))


async def run_page(hub: Hub, request: Request, repo: Repository) -> Response:
    """A check run with its output and annotations."""
    run = repo.check_runs.get(request.path_params["run_id"])
    return _missing(hub) if run is None else render("run.html", hub, repo=repo, run=run)


async def commit_page(hub: Hub, request: Request, repo: Repository) -> Response:
    """A commit with its diff."""
    sha = await repo.git.resolve(request.path_params["sha"])
    commit = None if sha is None else await repo.git.commit(sha)
    if commit is None:
        return _missing(hub)
    files = await repo.git.files(commit.parents[0] if commit.parents else EMPTY_TREE, commit.sha)
    return render("commit.html", hub, repo=repo, commit=commit, files=files, verified=commit.sha in repo.verified)


async def compare_page(hub: Hub, request: Request, repo: Repository) -> Response:
    """What is new on one branch or commit since another, `base...head`."""
    names = request.path_params["span"].split("...")
    ends = [await repo.git.resolve(name) for name in names]
    if len(ends) != 2 or ends[0] is None or ends[1] is None:
        return _missing(hub)
    base = await repo.git.merge_base(ends[0], ends[1]) or ends[0]
    return render("compare.html", hub, repo=repo, names=names, files=await repo.git.files(base, ends[1]))


async def blob_page(hub: Hub, request: Request, repo: Repository) -> Response:
    """A file's text at a branch or commit."""
    found = await _blob(repo, request.path_params["place"])
    if found is None:
        return _missing(hub)
    ref, path, data = found
    return render("blob.html", hub, repo=repo, ref=ref, path=path, text=data.decode(errors="replace"))


async def raw_page(hub: Hub, request: Request, repo: Repository) -> Response:
    """A file's bytes, always as plain text: what somebody committed must not run as a page."""
    found = await _blob(repo, request.path_params["place"])
    if found is None:
        return _missing(hub)
    return PlainTextResponse(found[2], headers={"X-Content-Type-Options": "nosniff"})


async def _blob(repo: Repository, place: str) -> tuple[str, str, bytes] | None:
    # A branch may hold slashes: the shortest beginning that is a branch or commit is the ref.
    parts = place.split("/")
    for length in range(1, len(parts)):
        ref, path = "/".join(parts[:length]), "/".join(parts[length:])
        sha = await repo.git.resolve(ref)
        found = await repo.git.tree(sha, path=path) if sha and path else []
        if found and found[0].type == "blob":
            return ref, path, await repo.git.blob(found[0].sha)
    return None


def _route(hub: Hub, tail: str, page: Page) -> Route:
    async def serve(request: Request) -> Response:
        repo = hub.state.repository(f"{request.path_params['owner']}/{request.path_params['name']}")
        return _missing(hub) if repo is None or repo.private else await page(hub, request, repo)

    return Route("/{owner}/{name}" + tail, serve)


def _issue(request: Request, repo: Repository) -> Issue | None:
    return repo.issues.get(request.path_params["number"])


def _missing(hub: Hub) -> Response:
    return render("missing.html", hub, status=404)
