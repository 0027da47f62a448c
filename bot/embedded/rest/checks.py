"""Check runs and commit statuses (docs: checks, commit statuses)."""

from starlette.responses import Response

from bot.embedded.actions import checks as actions
from bot.embedded.errors import ApiError, forbidden, not_found
from bot.embedded.shapes import checks as shapes
from bot.embedded.shapes.repositories import repository
from bot.embedded.state import App, CheckRun, CommitStatus
from bot.embedded.web import Call, answer, endpoint


@endpoint("POST", "/repos/{owner}/{repo}/check-runs", "checks:write")
async def create_run(call: Call) -> Response:
    """A new check run; only apps may."""
    run = await actions.create_run(call.hub, call.repo, _app(call), call.body)
    return answer(shapes.check_run(call.hub.urls, call.repo, run), 201)


@endpoint("GET", "/repos/{owner}/{repo}/check-runs/{check_run_id}", "checks:read")
async def get_run(call: Call) -> Response:
    """One check run."""
    return answer(shapes.check_run(call.hub.urls, call.repo, _run(call)))


@endpoint("PATCH", "/repos/{owner}/{repo}/check-runs/{check_run_id}", "checks:write")
async def update_run(call: Call) -> Response:
    """Change a check run of one's own."""
    run = _run(call)
    if run.app is not _app(call):
        raise forbidden(
            "Invalid app_id `"
            + str(_app(call).id)
            + "` - check run can only be modified by the GitHub App that created it."
        )
    actions.update_run(call.hub, call.repo, run, call.body)
    return answer(shapes.check_run(call.hub.urls, call.repo, run))


@endpoint("GET", "/repos/{owner}/{repo}/check-runs/{check_run_id}/annotations", "checks:read")
async def list_annotations(call: Call) -> Response:
    """A check run's annotations."""
    run = _run(call)
    return call.page(run.annotations, lambda each: shapes.annotation(call.hub.urls, call.repo, run, each))


@endpoint("GET", "/repos/{owner}/{repo}/commits/{ref:path}/check-runs", "checks:read")
async def list_runs(call: Call) -> Response:
    """A commit's check runs: `check_name`, `status`, `app_id`; `filter=latest` keeps the newest a name."""
    sha = await _sha(call)
    runs = [run for run in call.repo.check_runs.values() if run.head_sha == sha and _wanted(call, run)]
    if call.query("filter", "latest") == "latest":
        runs = list({(run.app.id, run.name): run for run in runs}.values())
    return call.page(runs[::-1], lambda run: shapes.check_run(call.hub.urls, call.repo, run), wrap="check_runs")


@endpoint("POST", "/repos/{owner}/{repo}/statuses/{sha}", "statuses:write")
async def create_status(call: Call) -> Response:
    """A new commit status."""
    made = await actions.set_status(call.hub, call.repo, call.actor, call.path("sha"), call.body)
    return answer(shapes.status(call.hub.urls, call.repo, made), 201)


@endpoint("GET", "/repos/{owner}/{repo}/commits/{ref:path}/status", "statuses:read")
async def combined_status(call: Call) -> Response:
    """The newest status of each context, and what they come to."""
    sha = await _sha(call)
    newest = {each.context: each for each in call.repo.statuses if each.sha == sha}
    url = call.hub.urls.repo(call.repo)
    return answer(
        {
            "state": _combined(list(newest.values())),
            "statuses": [shapes.status(call.hub.urls, call.repo, each) for each in newest.values()],
            "sha": sha,
            "total_count": len(newest),
            "repository": repository(call.hub.urls, call.repo),
            "commit_url": f"{url}/commits/{sha}",
            "url": f"{url}/commits/{sha}/status",
        }
    )


def _combined(statuses: list[CommitStatus]) -> str:
    states = {each.state for each in statuses}
    if states & {"error", "failure"}:
        return "failure"
    return "success" if states == {"success"} else "pending"


def _app(call: Call) -> App:
    if call.caller.via is None:
        raise forbidden("You must authenticate via a GitHub App.")
    return call.caller.via


def _run(call: Call) -> CheckRun:
    found = call.repo.check_runs.get(call.number("check_run_id"))
    if found is None:
        raise not_found()
    return found


def _wanted(call: Call, run: CheckRun) -> bool:
    return (
        call.query("check_name") in ("", run.name)
        and call.query("status") in ("", run.status)
        and call.query("app_id") in ("", str(run.app.id))
    )


async def _sha(call: Call) -> str:
    sha = await call.repo.git.resolve(call.path("ref"))
    if sha is None:
        raise ApiError(422, f"No commit found for SHA: {call.path('ref')}")
    return sha


ENDPOINTS = (create_run, get_run, update_run, list_annotations, list_runs, create_status, combined_status)
