"""Why the agent's loop ended: one enum, a sentence for each, and the exceptions by which control leaves it."""

from __future__ import annotations

from enum import StrEnum


class StopReason(StrEnum):
    """Why the loop ended; the run page shows it as "why it stopped"."""

    SUBMITTED = "submitted"
    STEPS = "steps"
    TOKENS = "tokens"
    MONEY = "money"
    TIME = "time"
    UNPRICED = "unpriced"
    NO_MODEL = "no_model"
    LOOPING = "looping"
    SILENT = "silent"
    CANCELLED = "cancelled"
    MODEL_UNAVAILABLE = "model_unavailable"
    MODEL_REFUSED = "model_refused"

    @property
    def keeps_work(self) -> bool:
        """True when what the model had edited by then may be proposed: validate judges it, not the model's word."""
        return self is not StopReason.CANCELLED


_SENTENCES = {
    StopReason.SUBMITTED: "The model submitted its work.",
    StopReason.STEPS: "The model used up its steps: {detail}.",
    StopReason.TOKENS: "The model used up its tokens: {detail}.",
    StopReason.MONEY: "The model used up its money: {detail}.",
    StopReason.TIME: "The model used up its time: {detail}.",
    StopReason.UNPRICED: "{detail}",
    StopReason.NO_MODEL: "{detail}",
    StopReason.LOOPING: "The model went round in circles: {detail}.",
    StopReason.SILENT: "The model stopped calling tools: {detail}.",
    StopReason.CANCELLED: "The work was stopped: {detail}.",
    StopReason.MODEL_UNAVAILABLE: "{detail}",
    StopReason.MODEL_REFUSED: "{detail}",
}


class Leave(Exception):
    """Base of what ends the loop: `reason` for machines, `detail` for the sentence."""

    def __init__(self, reason: StopReason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    @property
    def sentence(self) -> str:
        """Why the loop ended, for people."""
        return _SENTENCES[self.reason].format(detail=self.detail.rstrip("."))


class Submitted(Leave):
    """The model says that it is done; `summary` is its own account, untrusted like all its words."""

    def __init__(self, summary: str) -> None:
        super().__init__(StopReason.SUBMITTED)
        self.summary = summary


class LimitsExceeded(Leave):
    """A cap of the allowance is reached."""


class Stopped(Leave):
    """The loop cannot or may not go on."""
