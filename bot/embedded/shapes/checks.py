"""Check runs, their annotations, check suites and commit statuses as JSON."""

from typing import Any

from bot.embedded.shapes.accounts import simple_user
from bot.embedded.shapes.apps import app
from bot.embedded.shapes.pulls import pull_minimal
from bot.embedded.state import Annotation, CheckRun, CommitStatus, Repository
from bot.embedded.urls import Urls, iso, iso_or_none, node_id


def check_run(urls: Urls, repo: Repository, value: CheckRun) -> dict[str, Any]:
    """`check-run`."""
    url = f"{urls.repo(repo)}/check-runs/{value.id}"
    pulls = [issue for issue in repo.pulls() if issue.pull and issue.pull.head_sha == value.head_sha]
    return {
        "id": value.id,
        "name": value.name,
        "node_id": node_id("CheckRun", value.id),
        "head_sha": value.head_sha,
        "external_id": value.external_id or "",
        "url": url,
        "html_url": f"{urls.page(repo)}/runs/{value.id}",
        "details_url": value.details_url or f"{urls.page(repo)}/runs/{value.id}",
        "status": value.status,
        "conclusion": value.conclusion,
        "started_at": iso_or_none(value.started_at),
        "completed_at": iso_or_none(value.completed_at),
        "output": {
            "title": value.title,
            "summary": value.summary,
            "text": value.text,
            "annotations_count": len(value.annotations),
            "annotations_url": f"{url}/annotations",
        },
        "check_suite": {"id": value.suite_id},
        "app": app(urls, value.app),
        "pull_requests": [pull_minimal(urls, repo, issue) for issue in pulls if issue.state == "open"],
    }


def annotation(urls: Urls, repo: Repository, run: CheckRun, value: Annotation) -> dict[str, Any]:
    """`check-annotation`."""
    return {
        "path": value.path,
        "blob_href": f"{urls.page(repo)}/blob/{run.head_sha}/{value.path}",
        "start_line": value.start_line,
        "end_line": value.end_line,
        "start_column": value.start_column,
        "end_column": value.end_column,
        "annotation_level": value.annotation_level,
        "title": value.title,
        "message": value.message,
        "raw_details": value.raw_details,
    }


def status(urls: Urls, repo: Repository, value: CommitStatus) -> dict[str, Any]:
    """`status`."""
    return {
        "url": f"{urls.repo(repo)}/statuses/{value.sha}",
        "avatar_url": f"{urls.server}/avatars/{value.creator.id}",
        "id": value.id,
        "node_id": node_id("Status", value.id),
        "state": value.state,
        "description": value.description,
        "target_url": value.target_url,
        "context": value.context,
        "created_at": iso(value.created_at),
        "updated_at": iso(value.created_at),
        "creator": simple_user(urls, value.creator),
    }
