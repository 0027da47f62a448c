"""Every word that users read on GitHub and in the terminal, as functions of data (DESIGN.md decision 12).

Text that came from strangers passes `echo` before it stands in a comment: no live mention, reference, link or image.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.core.machine import State
from bot.core.proof import Proof, Strength
from bot.core.run import Ending, Run, SubjectKind, TargetKind
from bot.core.untrusted import is_hidden

_JOINT = "\u2060"  # a word joiner: invisible, and it breaks a mention or a reference
_MOST_LINES = 40


@dataclass(frozen=True, slots=True)
class StageLine:
    """One line of the checklist: `seconds` is None while the stage runs."""

    name: str
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Progress:
    """What the sticky comment and the terminal show of a Run besides the Run itself."""

    stages: tuple[StageLine, ...] = ()
    tried: tuple[str, ...] = ()
    run_url: str = ""
    branch_url: str = ""


def echo(text: str, limit: int = 200) -> str:
    """One line of untrusted text that can be quoted in Markdown: nothing in it is live, at most `limit` characters."""
    flat = _flat(text)
    cut = flat if len(flat) <= limit else flat[: limit - 1] + "…"
    # "&" too: GitHub looks for mentions in the rendered text, where "&#64;ada" is one.
    return _dead(re.sub(r"([\\`*_{}\[\]<>|~&])", r"\\\1", cut))


def _flat(text: str) -> str:
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", "".join(" " if is_hidden(char) else char for char in text)).strip()


def _dead(text: str) -> str:
    """`text` in which GitHub finds no mention, reference or address."""
    text = re.sub(r"(?i)(https?|ftp|javascript|data|mailto|xmpp):", rf"\1{_JOINT}:", text)
    text = re.sub(r"(?i)\b(www)(?=\.)|\b(gh)(?=-\d)", rf"\1\2{_JOINT}", text)
    return re.sub(r"([@#])(?=\w)", rf"\1{_JOINT}", text)


def fenced(text: str, language: str = "") -> str:
    """`text` as a code block whose fence is longer than any fence inside it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def marker(key: str) -> str:
    """The hidden line by which a comment of ours is found again."""
    return f"<!-- fettle:{re.sub(r'[^a-zA-Z0-9:._/-]', '-', key)} -->"


def refused(reason: str) -> str:
    """A visible refusal."""
    return f"I did not start: {reason}"


def already_running(run: Run) -> str:
    """The answer to a label put on again while its run works."""
    return f"A run for this issue is already under way (`{run.id}`, {run.state.value.replace('_', ' ')}); it goes on."


def already_in_review(run: Run) -> str:
    """The answer to a label put on again while the pull request waits for its review."""
    return f"Pull request #{run.pull_request} for this issue is still open: merge it, or close it to start anew."


def commit_message(run: Run) -> str:
    """Subject, summary and trailers; the trailer `Fettle-Run` is how a retried publish knows its own commit."""
    subject = f"Fix #{run.subject.number}" if run.subject.number else "Fix"
    title = re.sub(r"\s+", " ", _unlinked(run.subject.title)).strip()[:60]
    asked = f"Co-authored-by: {run.asked_by} <{run.asked_by}@users.noreply.github.com>" if _login(run.asked_by) else ""
    trailers = "\n".join(line for line in (asked, f"Fettle-Run: {run.id}") if line)
    return f"{subject}: {title}\n\n{trailers}\n" if title else f"{subject}\n\n{trailers}\n"


def pull_request_title(run: Run) -> str:
    """The title: what the issue says, shortened."""
    title = _unlinked(run.subject.title).strip() or (f"issue {run.subject.number}" if run.subject.number else "")
    return re.sub(r"\s+", " ", f"Fix: {title or 'what fails'}")[:120].strip()


def pull_request_body(run: Run, summary: str, changed: Sequence[str], progress: Progress) -> str:
    """The body: closes, what was wrong, what changed, proof, cost, how to undo."""
    proof = run.proof or Proof(Strength.UNPROVEN, ())
    fixer = run.fixer.value if run.fixer else "none"
    parts = [
        f"Fixes #{run.subject.number}" if run.subject.number else "",
        "### What was wrong and what changed",
        _shortened([echo(line, 400) for line in summary.splitlines() if line.strip()]) or "See the diff.",
        _shortened([f"- `{_path(path)}`" for path in changed]),
        "### Proof",
        proof_table(proof),
        _draft_note(proof),
        f"Found by the `{fixer}` rung in {_total(progress.stages):.1f} s; model cost ${run.cost_usd:.4f}. "
        f"Run `{run.id}`{f' ([timeline]({progress.run_url}))' if progress.run_url else ''}, asked for by "
        f"{echo(run.asked_by)}.",
        "To undo: close this pull request, or revert it after the merge. Fettle never merges its own pull requests.",
        marker(f"run:{run.id}"),
    ]
    return "\n\n".join(part for part in parts if part)


def _shortened(lines: Sequence[str]) -> str:
    # GitHub cuts long texts at their end, where the marker stands by which they are found again.
    more = [f"- … and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
    return "\n".join([*lines[:_MOST_LINES], *more])


def _path(path: str) -> str:
    return "".join("" if char == "`" or is_hidden(char) else char for char in path)[:200]


def proof_table(proof: Proof) -> str:
    """The claims as a Markdown table."""
    rows = ["| claim | held | evidence |", "| --- | --- | --- |"]
    rows += [f"| {c.name.value} | {'yes' if c.held else '**no**'} | {echo(c.detail, 300)} |" for c in proof.claims]
    return "\n".join(rows)


def check_summary(run: Run) -> tuple[str, str]:
    """The check run's title and summary."""
    proof = run.proof or Proof(Strength.UNPROVEN, ())
    return f"{proof.strength.value}: {len(proof.claims) - len(proof.missing)} of {len(proof.claims)} claims held", (
        proof_table(proof)
    )


def sticky(run: Run, progress: Progress) -> str:
    """The one comment per subject, edited in place: state, checklist, links, cost, at the end an honest last word."""
    lines = [f"**Fettle: {_headline(run)}**", ""]
    lines += [_check_line(stage) for stage in progress.stages]
    if run.reason:
        lines += ["", echo(run.reason, 1500)]
    if progress.tried:
        lines += ["", "What was tried:", _shortened([f"- {echo(line, 300)}" for line in progress.tried])]
    if run.state in (State.FAILED, State.EDITING) and run.ending is not None and (advice := what_to_do(run)):
        lines += ["", advice]
    links = [
        f"Pull request: #{run.pull_request}" if run.pull_request else "",
        f"best patch so far: [`{run.branch}`]({progress.branch_url})" if progress.branch_url else "",
        f"[timeline]({progress.run_url})" if progress.run_url else "",
        f"run `{run.id}`",
        f"cost ${run.cost_usd:.4f}",
    ]
    lines += ["", " · ".join(link for link in links if link), marker(f"sticky:{run.subject.key}")]
    return "\n".join(lines)


def _headline(run: Run) -> str:
    if run.ending is Ending.NEEDS_MODEL:
        return "this needs a model"
    if run.ending is Ending.CANCELLED or run.state is State.CANCELLED:
        return "cancelled"
    if run.ending in (Ending.ERROR, Ending.NOTHING_FOUND, Ending.NOT_PROVEN, Ending.REFUSED, Ending.BUDGET):
        return "no fix this time"
    words = {State.IN_REVIEW: "a pull request is ready for review", State.DONE: "done"}
    return words.get(run.state, run.state.value.replace("_", " "))


def what_to_do(run: Run) -> str:
    """One sentence on what a person can do after a run that opened no pull request."""
    local = run.subject.kind is SubjectKind.LOCAL
    again = "run the command again" if local else "put the label on again"
    match run.ending:
        case Ending.NEEDS_MODEL:
            where = "" if local else " on the worker"
            return f"To let a model try, set `FETTLE_MODEL` (and its key){where}, then {again}."
        case Ending.NOTHING_FOUND:
            return f"Describe the expected behaviour with a failing test, then {again}."
        case Ending.NOT_PROVEN:
            return f"The best patch is kept: take it over, or say more about the problem and {again}."
        case Ending.BUDGET:
            return f"Raise `FETTLE_BUDGET_USD`, or make the issue smaller, then {again}."
        case Ending.REFUSED:
            return f"Policy keeps this patch off every branch: make the change by hand, or ask for less and {again}."
        case Ending.ERROR:
            return f"Mend what the sentence above names, then {again}."
        case _:
            return ""


def needs_model(target: TargetKind) -> str:
    """Why a run without a model ended."""
    what = "what the issue describes" if target is TargetKind.DESCRIBED else "a fix for the failing target"
    return f"The rungs that work without a model did not find {what}, and no model is configured."


def too_late(why: str) -> str:
    """The answer to a wish to cancel that came while the pull request was being opened."""
    return f"{why} By then the pull request was being opened: close it if it is not wanted."


def rewritten() -> str:
    """Why a patch is not published on a default branch that no longer holds its base."""
    return "The default branch was rewritten while I worked, so a pull request would bring its old commits back."


def nothing_found() -> str:
    """Why a run ended when every rung, the model's too, came back empty."""
    return "No rung of the ladder found a patch."


def budget_spent(spent: float, why: str) -> str:
    """Why a run ended when the money for the model did; `why` has the figures of the cap that was reached."""
    return f"The model stopped for money before it found a fix (this run cost ${spent:.4f}): {why}"


def not_proven(proof: Proof) -> str:
    """Why the best patch was not published as a fix."""
    missing = "; ".join(f"{claim.name.value}: {claim.detail}" for claim in proof.missing)
    return f"A patch was found, but it is not proven ({missing})."


def _draft_note(proof: Proof) -> str:
    if proof.strength is Strength.PROVEN:
        return ""
    return "**Draft:** " + (
        "; ".join(f"{claim.name.value}: {echo(claim.detail)}" for claim in proof.missing)
        or "the only evidence came with the patch itself"
    )


def _check_line(stage: StageLine) -> str:
    return f"- [ ] {stage.name} …" if stage.seconds is None else f"- [x] {stage.name} ({stage.seconds:.1f} s)"


def _total(stages: Iterable[StageLine]) -> float:
    return sum(stage.seconds or 0.0 for stage in stages)


def _unlinked(text: str) -> str:
    # A title is plain text on GitHub, but mentions, references and closing words in it are live in commits.
    clean, before = _flat(text), ""
    while clean != before:
        # Again and again: taking one out may close up another.
        clean, before = re.sub(r"(?i)\[(skip ci|ci skip|no ci|skip actions|actions skip)\]", "", clean), clean
    return _dead(clean)


def _login(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9-]{1,39}", name) is not None
