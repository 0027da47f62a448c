"""Issues (docs: issues). Pull requests are issues too, as on GitHub."""

from starlette.responses import Response

from bot.embedded.actions import issues as actions
from bot.embedded.errors import ApiError
from bot.embedded.shapes import issues as shapes
from bot.embedded.state import Issue, Role
from bot.embedded.web import Call, answer, endpoint

READ = "issues:read|pull_requests:read"


@endpoint("GET", "/repos/{owner}/{repo}/issues", "issues:read")
async def list_issues(call: Call) -> Response:
    """Issues and pull requests: `state`, `labels`, `creator`, `assignee`, `since`, `sort`, `direction`."""
    rows = [issue for issue in call.repo.issues.values() if _matches(call, issue)]
    key = {
        "updated": lambda issue: issue.updated_at,
        "comments": lambda issue: len(call.repo.comments_of(issue.number)),
    }
    rows.sort(key=key.get(call.query("sort"), lambda issue: issue.number), reverse=call.query("direction") != "asc")
    return call.page(rows, lambda issue: shapes.issue(call.hub.urls, call.repo, issue))


@endpoint("POST", "/repos/{owner}/{repo}/issues", "issues:write", people=Role.READ)
async def create_issue(call: Call) -> Response:
    """A new issue; labels and assignees of people without triage permission are dropped, as GitHub does."""
    title, body = call.need("title", "Issue"), call.text("body", "Issue")
    role = call.repo.role(call.actor)
    trusted = call.caller.installation is not None or (role is not None and role.rank >= Role.TRIAGE.rank)
    labels = call.texts("labels") if trusted else None
    people = call.texts("assignees") if trusted else None
    issue = actions.open_issue(call.hub, call.repo, call.actor, title, body, labels, people, call.caller.via)
    return answer(shapes.issue(call.hub.urls, call.repo, issue), 201)


@endpoint("GET", "/repos/{owner}/{repo}/issues/{issue_number}", READ)
async def get_issue(call: Call) -> Response:
    """One issue."""
    return answer(shapes.issue(call.hub.urls, call.repo, call.issue()))


@endpoint("PATCH", "/repos/{owner}/{repo}/issues/{issue_number}", "issues:write|pull_requests:write", people=Role.READ)
async def update_issue(call: Call) -> Response:
    """Change title, body, state, labels, assignees: one's own issue, or anybody's with triage permission."""
    issue = call.issue()
    role = call.repo.role(call.actor)
    trusted = call.caller.installation is not None or (role is not None and role.rank >= Role.TRIAGE.rank)
    if issue.user is not call.actor and not trusted:
        raise ApiError(403, "Must have admin rights to Repository.")
    title, body = call.text("title", "Issue"), call.text("body", "Issue")
    actions.edit_issue(call.hub, call.repo, issue, call.actor, title=title, body=body)
    if (labels := call.texts("labels")) is not None and trusted:
        actions.set_labels(call.hub, call.repo, issue, call.actor, labels)
    if (people := call.texts("assignees")) is not None and trusted:
        actions.set_assignees(call.hub, call.repo, issue, call.actor, people)
    if (state := call.text("state", "Issue")) is not None:
        actions.set_state(call.hub, call.repo, issue, call.actor, state, call.text("state_reason", "Issue"))
    return answer(shapes.issue(call.hub.urls, call.repo, issue))


def _matches(call: Call, issue: Issue) -> bool:
    state = call.query("state", "open")
    names = {label.name.lower() for label in issue.labels}
    wanted = {name.strip().lower() for name in call.query("labels").split(",") if name.strip()}
    creator, assignee, since = call.query("creator"), call.query("assignee"), call.moment("since")
    logins = [person.login.lower() for person in issue.assignees]
    return (
        state in ("all", issue.state)
        and wanted <= names
        and (not creator or issue.user.login.lower() == creator.lower())
        and (not assignee or assignee == "*" or assignee.lower() in logins)
        and (since is None or issue.updated_at >= since)
    )


ENDPOINTS = (list_issues, create_issue, get_issue, update_issue)
