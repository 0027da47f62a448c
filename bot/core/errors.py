"""The fates of an error, drawn once; every layer raises these and the job boundary (bot.jobs) sorts them.

    FettleError
    ├── UserError        the sentence becomes a comment, or the CLI's one line and exit code 2
    │   └── SettingsError   several sentences at once, at start
    ├── Retry            the same job runs again later, after `seconds`
    └── Infrastructure   our own machine is not able (no sandbox, no disk): logged, the run fails with the sentence

Everything else is a bug: it crashes to the job boundary and is logged once with the run's id.
"""


class FettleError(Exception):
    """Base of every error that Fettle raises on purpose."""


class UserError(FettleError):
    """Something that a person must know or change; `str(error)` is the one sentence shown."""


class SettingsError(UserError):
    """Missing or malformed settings; `problems` holds one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Retry(FettleError):
    """A temporary failure: run the same job again after `seconds` (float, at least 0)."""

    def __init__(self, reason: str, seconds: float = 30.0) -> None:
        super().__init__(reason)
        self.seconds = seconds


class Infrastructure(FettleError):
    """The machine below cannot do what is needed (sandbox refused, disk full); names what to do next."""
