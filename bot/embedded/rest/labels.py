"""Labels of a repository and of an issue (docs: labels)."""

from starlette.responses import Response

from bot.embedded.actions import issues as actions
from bot.embedded.errors import ApiError, invalid, not_found
from bot.embedded.shapes import issues as shapes
from bot.embedded.state import Issue, Label, Role
from bot.embedded.web import Call, answer, empty, endpoint

READ = "issues:read|pull_requests:read"
WRITE = "issues:write|pull_requests:write"


@endpoint("GET", "/repos/{owner}/{repo}/labels", READ)
async def list_labels(call: Call) -> Response:
    """The repository's labels."""
    return call.page(list(call.repo.labels.values()), lambda label: _shape(call, label))


@endpoint("POST", "/repos/{owner}/{repo}/labels", WRITE)
async def create_label(call: Call) -> Response:
    """A new label. 422 `already_exists`."""
    name = call.need("name", "Label")
    if name.lower() in call.repo.labels:
        raise invalid("Label", "name", "already_exists")
    color = call.text("color", "Label") or "ededed"
    made = actions.ensure_label(call.hub, call.repo, name, color.lstrip("#"), call.text("description", "Label"))
    return answer(_shape(call, made), 201)


@endpoint("GET", "/repos/{owner}/{repo}/labels/{name}", READ)
async def get_label(call: Call) -> Response:
    """One label."""
    return answer(_shape(call, _label(call)))


@endpoint("PATCH", "/repos/{owner}/{repo}/labels/{name}", WRITE)
async def update_label(call: Call) -> Response:
    """Rename or recolour a label."""
    label = _label(call)
    del call.repo.labels[label.name.lower()]
    label.name = call.text("new_name", "Label") or label.name
    label.color = (call.text("color", "Label") or label.color).lstrip("#")
    label.description = call.text("description", "Label") or label.description
    call.repo.labels[label.name.lower()] = label
    return answer(_shape(call, label))


@endpoint("DELETE", "/repos/{owner}/{repo}/labels/{name}", WRITE)
async def delete_label(call: Call) -> Response:
    """Delete a label, from its issues too."""
    label = _label(call)
    del call.repo.labels[label.name.lower()]
    for issue in call.repo.issues.values():
        issue.labels = [each for each in issue.labels if each is not label]
    return empty()


@endpoint("GET", "/repos/{owner}/{repo}/issues/{issue_number}/labels", READ)
async def list_issue_labels(call: Call) -> Response:
    """An issue's labels."""
    return call.page(call.issue().labels, lambda label: _shape(call, label))


@endpoint("POST", "/repos/{owner}/{repo}/issues/{issue_number}/labels", WRITE, people=Role.TRIAGE)
async def add_issue_labels(call: Call) -> Response:
    """Add labels to an issue; answers all that it has then."""
    issue = call.issue()
    actions.add_labels(call.hub, call.repo, issue, call.actor, _names(call))
    return _all(call, issue)


@endpoint("PUT", "/repos/{owner}/{repo}/issues/{issue_number}/labels", WRITE, people=Role.TRIAGE)
async def set_issue_labels(call: Call) -> Response:
    """Make an issue's labels exactly these."""
    issue = call.issue()
    actions.set_labels(call.hub, call.repo, issue, call.actor, _names(call))
    return _all(call, issue)


@endpoint("DELETE", "/repos/{owner}/{repo}/issues/{issue_number}/labels/{name}", WRITE, people=Role.TRIAGE)
async def remove_issue_label(call: Call) -> Response:
    """Take one label off; 404 "Label does not exist"."""
    issue = call.issue()
    if call.path("name").lower() not in {label.name.lower() for label in issue.labels}:
        raise ApiError(404, "Label does not exist")
    actions.remove_label(call.hub, call.repo, issue, call.actor, call.path("name"))
    return _all(call, issue)


def _all(call: Call, issue: Issue) -> Response:
    return answer([_shape(call, label) for label in issue.labels])


def _names(call: Call) -> list[str]:
    names = call.texts("labels")
    if names is None:
        raise ApiError(422, 'Invalid request.\n\n"labels" wasn\'t supplied.')
    return names


def _label(call: Call) -> Label:
    label = call.repo.labels.get(call.path("name").lower())
    if label is None:
        raise not_found()
    return label


def _shape(call: Call, label: Label) -> dict[str, object]:
    return shapes.label(call.hub.urls, call.repo, label)


ENDPOINTS = (
    list_labels,
    create_label,
    get_label,
    update_label,
    delete_label,
    list_issue_labels,
    add_issue_labels,
    set_issue_labels,
    remove_issue_label,
)
