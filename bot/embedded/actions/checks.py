"""Check runs and commit statuses change here."""

from datetime import datetime
from typing import Any

from bot.embedded.errors import ApiError, invalid
from bot.embedded.hub import Hub
from bot.embedded.shapes.checks import check_run as shape
from bot.embedded.state import Account, Annotation, App, CheckRun, CommitStatus, Repository

MOST_ANNOTATIONS = 50
STATUSES = ("queued", "in_progress", "completed", "waiting", "requested", "pending")
CONCLUSIONS = ("success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required")


async def create_run(hub: Hub, repo: Repository, app: App, body: dict[str, Any]) -> CheckRun:
    """Make a check run of GitHub's request body; emits `check_run` `created`. 422 on what GitHub refuses."""
    name, sha = _needed(body, "name"), _needed(body, "head_sha")
    if await repo.git.kind(sha) != "commit":
        raise ApiError(422, f"No commit found for SHA: {sha}")
    suites = [run for run in repo.check_runs.values() if run.head_sha == sha and run.app is app]
    suite = suites[0].suite_id if suites else hub.state.new_id()
    run = CheckRun(hub.state.new_id(), suite, name, sha, app)
    _apply(hub, run, body)
    repo.check_runs[run.id] = run
    _emit(hub, repo, run, "created")
    if run.status == "completed":
        _emit(hub, repo, run, "completed")
    return run


def update_run(hub: Hub, repo: Repository, run: CheckRun, body: dict[str, Any]) -> None:
    """Change a check run; annotations are added to those that it has. Emits `completed` when it becomes that."""
    before = run.status
    if "name" in body:
        run.name = _needed(body, "name")
    _apply(hub, run, body)
    if run.status == "completed" and before != "completed":
        _emit(hub, repo, run, "completed")


def rerequest(hub: Hub, repo: Repository, run: CheckRun, actor: Account) -> None:
    """Somebody pressed "Re-run"; emits `check_run` `rerequested` to the run's app."""
    hub.emit(repo, "check_run", actor, action="rerequested", check_run=shape(hub.urls, repo, run))


def request_action(hub: Hub, repo: Repository, run: CheckRun, actor: Account, identifier: str) -> None:
    """Somebody pressed one of the run's buttons; emits `requested_action`."""
    body = shape(hub.urls, repo, run)
    hub.emit(
        repo,
        "check_run",
        actor,
        action="requested_action",
        check_run=body,
        requested_action={"identifier": identifier},
    )


async def set_status(hub: Hub, repo: Repository, actor: Account, sha: str, body: dict[str, Any]) -> CommitStatus:
    """Add a commit status. 422 on an unknown state or commit."""
    state = _needed(body, "state")
    if state not in ("error", "failure", "pending", "success"):
        raise invalid("Status", "state")
    if await repo.git.kind(sha) != "commit":
        raise ApiError(422, f"No commit found for SHA: {sha}")
    made = CommitStatus(
        hub.state.new_id(),
        sha,
        state,
        _optional(body, "context") or "default",
        actor,
        hub.now(),
        _optional(body, "description"),
        _optional(body, "target_url"),
    )
    repo.statuses.append(made)
    return made


def _apply(hub: Hub, run: CheckRun, body: dict[str, Any]) -> None:
    _apply_status(hub, run, body)
    run.external_id = _optional(body, "external_id") or run.external_id
    run.details_url = _optional(body, "details_url") or run.details_url
    run.actions = body.get("actions", run.actions)
    output = body.get("output")
    if output is None:
        return
    if not isinstance(output, dict) or not output.get("summary"):
        raise ApiError(422, 'Invalid request.\n\n"summary" wasn\'t supplied.')
    annotations = output.get("annotations") or []
    if not isinstance(annotations, list) or not all(isinstance(row, dict) for row in annotations):
        raise invalid("CheckRun", "annotations")
    if any(not isinstance(output.get(key) or "", str) for key in ("title", "summary", "text")):
        raise invalid("CheckRun", "output")
    if len(annotations) > MOST_ANNOTATIONS:
        raise ApiError(
            422,
            f"Invalid request.\n\nNo more than {MOST_ANNOTATIONS} items are allowed; {len(annotations)} were supplied.",
        )
    run.title = output.get("title", run.title)
    run.summary = output["summary"]
    run.text = output.get("text", run.text)
    run.annotations += [_annotation(row) for row in annotations]


def _apply_status(hub: Hub, run: CheckRun, body: dict[str, Any]) -> None:
    conclusion = body.get("conclusion")
    status = body.get("status", "completed" if conclusion else run.status)
    if status not in STATUSES:
        raise invalid("CheckRun", "status")
    if conclusion is not None and conclusion not in CONCLUSIONS:
        raise invalid("CheckRun", "conclusion")
    if status == "completed" and not (conclusion or run.conclusion):
        raise invalid("CheckRun", "conclusion", "missing_field")
    run.status = status
    run.conclusion = (conclusion or run.conclusion) if status == "completed" else None
    run.started_at = _moment(body, "started_at") or run.started_at or hub.now()
    run.completed_at = _moment(body, "completed_at") or run.completed_at or hub.now()
    if status != "completed":
        run.completed_at = None


def _annotation(row: dict[str, Any]) -> Annotation:
    known = {key: row.get(key) for key in Annotation.__dataclass_fields__}
    missing = [key for key in ("path", "start_line", "end_line", "annotation_level", "message") if known[key] is None]
    if missing or known["annotation_level"] not in ("notice", "warning", "failure"):
        raise ApiError(
            422, f"Invalid request.\n\nAn annotation lacks {', '.join(missing) or 'a valid annotation_level'}."
        )
    return Annotation(**known)  # type: ignore[arg-type]  # the keys come from outside; the required ones are checked above


def _needed(body: dict[str, Any], key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not value:
        raise ApiError(422, f'Invalid request.\n\n"{key}" wasn\'t supplied.')
    return value


def _optional(body: dict[str, Any], key: str) -> str | None:
    value = body.get(key)
    if value is not None and not isinstance(value, str):
        raise ApiError(422, f"Invalid request.\n\nFor 'properties/{key}', it is not a string.")
    return value


def _moment(body: dict[str, Any], key: str) -> datetime | None:
    value = body.get(key)
    if value is None:
        return None
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise invalid("CheckRun", key) from error


def _emit(hub: Hub, repo: Repository, run: CheckRun, action: str) -> None:
    hub.emit(repo, "check_run", run.app.bot, action=action, check_run=shape(hub.urls, repo, run))
