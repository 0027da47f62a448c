"""GitHub as a forge: branch, verified commit, pull request, check run, reactions and the one sticky comment.

Each write goes through `once`: recorded before and after, looked for on GitHub before it is repeated. Progress that
cannot be shown now is shown at the next change; only the last word is insisted on.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, urlsplit

import structlog

from bot.context import Services
from bot.core import messages
from bot.core.errors import Retry, UserError
from bot.core.events import RepositoryRef
from bot.core.intents import Reaction
from bot.core.machine import State
from bot.core.messages import Progress
from bot.core.patch import Patch
from bot.core.proof import Strength
from bot.core.run import Ending, Run
from bot.run.effects import once
from bot.run.forge import BOT, Origin, Published, branch_name
from bot.services.github import Conclusion, Forbidden, GitHubApp, NotFound, Pull, RepositoryClient

log = structlog.get_logger()

CHECK = "fettle"
_MOST_NAMES = 50


@dataclass(frozen=True, slots=True)
class GitHubForge:
    """One repository on GitHub (or GHES, or the embedded server)."""

    services: Services
    client: RepositoryClient

    @classmethod
    def of(cls, services: Services, github: GitHubApp, run: Run) -> GitHubForge:
        """The forge of the Run's repository."""
        return cls(services, github.repository(RepositoryRef(run.repository_id, run.repository, run.installation_id)))

    async def origin(self, run: Run) -> Origin:
        """The repository over HTTPS, with a token that reaches nothing else."""
        host = urlsplit(self.client.clone_url).netloc.replace(":", "-")
        return Origin(f"{host}/{run.repository_id}", self.client.clone_url, await self.client.token())

    async def announce(self, run: Run) -> None:
        """👀 on the issue and the sticky comment's first state."""
        try:
            await self.client.add_reaction(Reaction.SEEN, issue=run.subject.number)
            await self._sticky(run, Progress())
        except Forbidden as error:
            # A locked issue takes no words, but a pull request still helps.
            log.info("progress.not_shown", run=run.id, why=str(error))

    async def show(self, run: Run, progress: Progress) -> None:
        """Bring the sticky comment up to date, if GitHub answers."""
        try:
            await self._sticky(run, progress)
        except (Retry, UserError) as error:
            log.info("progress.not_shown", run=run.id, why=str(error))

    async def publish(self, run: Run, summary: str, progress: Progress) -> Published:
        """Exactly one branch, commit, pull request and check run, however often this is called."""
        await self._still_on_its_base(run)
        branch, head = await self._branch(run)
        number = await self._pull(run, branch, head, summary, progress)
        await self._check(run, head)
        return Published(branch, head, number)

    async def keep(self, run: Run) -> Published:
        """The unproven Patch on a branch of its own."""
        branch, head = await self._branch(run)
        return Published(branch, head)

    async def conclude(self, run: Run, progress: Progress) -> None:
        """The last state of the sticky comment, and 🚀 or 😕."""
        await self._sticky(run, progress)
        if run.state is State.IN_REVIEW:
            await self.client.add_reaction(Reaction.DONE, issue=run.subject.number)
        elif run.ending is not Ending.CANCELLED:
            await self.client.add_reaction(Reaction.REFUSED, issue=run.subject.number)

    async def _still_on_its_base(self, run: Run) -> None:
        """Raise UserError when the default branch was rewritten: its old commits would come back with ours."""
        if await self.services.store.effects.get(f"branch:{run.id}") is not None:
            return
        origin = await self.origin(run)
        mirror = self.services.workspace.mirror(origin.key)
        await mirror.fetch(origin.url, token=origin.token)
        if not await mirror.is_ancestor(run.base, await mirror.resolve("HEAD")):
            raise UserError(messages.rewritten())

    async def _branch(self, run: Run) -> tuple[str, str]:
        """The Patch's commit on a branch of ours; a name that is taken by anything else is left alone."""
        if run.patch is None:
            raise AssertionError("only a run with a patch is published")
        patch, effects = run.patch, self.services.store.effects
        commit = await once(
            effects,
            f"commit:{run.id}:{run.patch.base}",
            run_id=run.id,
            kind="commit",
            # A commit on no branch cannot be looked for, and one more harms nobody.
            find=_nothing,
            make=lambda: self.client.commit_patch(patch, messages.commit_message(run)),
            result=lambda made: {"sha": made.sha, "tree": made.tree},
        )
        sha = str(commit["sha"])
        await self._same_tree(run, patch, str(commit["tree"]))
        made = await once(
            effects,
            f"branch:{run.id}",
            run_id=run.id,
            kind="branch",
            find=lambda: self._branch_at(run, sha),
            make=lambda: self._new_branch(run, sha),
            result=lambda name: {"branch": name},
        )
        return str(made["branch"]), sha

    async def _same_tree(self, run: Run, patch: Patch, tree: str) -> None:
        """What is published must be what was proven, byte for byte; raises UserError otherwise."""
        origin = await self.origin(run)
        mirror = self.services.workspace.mirror(origin.key)
        proven = await mirror.commit(patch, message="Proven", author=BOT, date=run.created_at)
        if await mirror.tree_id(proven) != tree:
            raise UserError("GitHub's commit does not hold the files that were proven, so it is not published.")

    async def _branch_at(self, run: Run, sha: str) -> str | None:
        for name in _names(run):
            at = await self.client.get_ref(f"heads/{name}")
            if at is None or at == sha:
                return name if at else None
        return None

    async def _new_branch(self, run: Run, sha: str) -> str:
        for name in _names(run):
            at = await self.client.get_ref(f"heads/{name}")
            if at == sha:
                return name
            if at is None:
                await self.client.create_ref(f"heads/{name}", sha)
                return name
        raise UserError(f"There are too many branches named {branch_name(run)!r} already: delete some.")

    async def _pull(self, run: Run, branch: str, head: str, summary: str, progress: Progress) -> int:
        paths = run.patch.paths if run.patch else ()
        body = messages.pull_request_body(run, summary, paths, progress)
        draft = run.proof is None or run.proof.strength is not Strength.PROVEN
        base = (await self.client.get_repository()).default_branch
        made = await once(
            self.services.store.effects,
            f"pull:{run.id}",
            run_id=run.id,
            kind="pull_request",
            find=lambda: self._our_pull(run, branch, head),
            make=lambda: self.client.create_pull(
                title=messages.pull_request_title(run), body=body, branch=branch, base=base, draft=draft
            ),
            result=lambda pull: {"number": pull.number, "url": pull.url},
        )
        return int(str(made["number"]))

    async def _our_pull(self, run: Run, branch: str, head: str) -> Pull | None:
        """This Run's pull request, open or not: an earlier one from a branch of the same name is another's."""
        found = await self.client.find_pull(branch)
        ours = found is not None and (found.head_sha == head or messages.marker(f"run:{run.id}") in found.body)
        return found if ours else None

    async def _check(self, run: Run, head: str) -> None:
        title, summary = messages.check_summary(run)
        proven = run.proof is not None and run.proof.strength is Strength.PROVEN
        await once(
            self.services.store.effects,
            f"check:{run.id}:{head}",
            run_id=run.id,
            kind="check_run",
            find=_nothing,
            # This call looks by name and external id itself, so twice is once.
            make=lambda: self.client.upsert_check(
                name=CHECK,
                sha=head,
                external_id=run.id,
                title=title,
                summary=summary,
                conclusion=Conclusion.SUCCESS if proven else Conclusion.NEUTRAL,
            ),
            result=lambda check: {"id": check.id},
        )

    async def _sticky(self, run: Run, progress: Progress) -> None:
        body = messages.sticky(run, self._linked(run, progress))
        key = f"sticky:{run.repository_id}:{run.subject.key}"
        for _ in range(_MOST_NAMES):
            known = await self._comment(run, key, body)
            try:
                await self.client.update_comment(known, body)
            except NotFound:
                # Somebody deleted it; the next one stands under the same marker.
                key = f"{key}:{known}"
            else:
                return

    async def _comment(self, run: Run, key: str, body: str) -> int:
        number = run.subject.number
        mark = messages.marker(f"sticky:{run.subject.key}")
        known = await once(
            self.services.store.effects,
            key,
            run_id=run.id,
            kind="comment",
            find=lambda: self.client.find_comment(number, mark),
            make=lambda: self.client.create_comment(number, body),
            result=lambda comment: {"id": comment.id},
        )
        return int(str(known["id"]))

    def _linked(self, run: Run, progress: Progress) -> Progress:
        if not run.branch or run.pull_request is not None:
            return progress
        base = self.client.clone_url.removesuffix(".git")
        return Progress(progress.stages, progress.tried, progress.run_url, f"{base}/tree/{quote(run.branch)}")


def _names(run: Run) -> list[str]:
    name = branch_name(run)
    return [name, *(f"{name}-{number}" for number in range(2, _MOST_NAMES))]


async def _nothing() -> None:
    return None
