"""Pull requests follow their branches; called when a ref moved and when a pull request is made or retargeted."""

from bot.embedded.actions import issues
from bot.embedded.hub import Hub
from bot.embedded.state import Account, Issue, Repository


async def refresh(repo: Repository, issue: Issue) -> None:
    """Read the pull request's figures from git again and move `refs/pull/N/head`."""
    pull = issue.pull
    assert pull is not None
    ancestor = await repo.git.merge_base(pull.base_sha, pull.head_sha) or pull.base_sha
    files = await repo.git.files(ancestor, pull.head_sha)
    pull.additions = sum(file.additions for file in files)
    pull.deletions = sum(file.deletions for file in files)
    pull.changed_files = len(files)
    pull.commits = await repo.git.count(f"{pull.base_sha}..{pull.head_sha}")
    pull.mergeable = await repo.git.merged_tree(pull.base_sha, pull.head_sha) is not None
    await repo.git.update_ref(f"refs/pull/{issue.number}/head", pull.head_sha)


async def follow(hub: Hub, repo: Repository, actor: Account, branch: str, before: str, after: str | None) -> None:
    """A branch moved: move its open pull requests along (`synchronize`), close them when it was deleted."""
    for issue in [issue for issue in repo.pulls() if issue.state == "open"]:
        pull = issue.pull
        assert pull is not None
        if pull.head_ref == branch and after is None:
            issues.set_state(hub, repo, issue, actor, "closed")
        elif pull.head_ref == branch and after is not None and pull.head_sha != after:
            pull.head_sha = after
            issue.updated_at = hub.now()
            await refresh(repo, issue)
            issues.emit_issue(hub, repo, issue, "synchronize", actor, before=before, after=after)
        elif pull.base_ref == branch and after is not None:
            pull.base_sha = after
            await refresh(repo, issue)
