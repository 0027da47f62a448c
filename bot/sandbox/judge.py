"""Why a command ended, from what the runner, the control group and the file system saw. Pure; called by session.py."""

from dataclasses import dataclass

from bot.sandbox.cgroup import Counts
from bot.sandbox.protocol import Captured, Reason, Result
from bot.sandbox.runner import Ended

_SIGKILL, _SIGXCPU, _SIGXFSZ = 128 + 9, 128 + 24, 128 + 25
FULL_BYTES, FULL_INODES = 64 << 10, 8


@dataclass(frozen=True, slots=True)
class Space:
    """What the workspace has left: bytes and inodes."""

    bytes: int
    inodes: int


def result(ended: Ended, before: Counts, after: Counts, space: Space) -> Result:
    """The Result of a command, with its reason named and said in a sentence."""
    reason, detail = _reason(ended, before, after, space)
    code: int | None = ended.exit.code
    if ended.stopped or (reason in (Reason.OOM, Reason.INFRASTRUCTURE) and code in (_SIGKILL, -9)):
        code = None
    elif _not_found(ended):
        code = 127
    return Result(
        reason=reason,
        exit=code,
        stdout=ended.stdout,
        stderr=ended.stderr,
        seconds=ended.seconds,
        cpu_seconds=ended.exit.cpu_seconds,
        peak_bytes=ended.exit.peak_bytes,
        detail=detail,
    )


def _reason(ended: Ended, before: Counts, after: Counts, space: Space) -> tuple[Reason, str]:
    code = ended.exit.code
    if after.oom_kills > before.oom_kills:
        return Reason.OOM, "It used more memory than it may."
    match ended.stopped:
        case Reason.OUTPUT:
            return Reason.OUTPUT, "It wrote more output than it may."
        case Reason.TIMEOUT:
            return Reason.TIMEOUT, f"It ran longer than {ended.seconds:.0f} seconds."
        case _ if code == 0:
            return Reason.OK, ""
    if not ended.exit.started:
        return _not_started(ended.stderr)
    if code == _SIGXCPU:
        return Reason.TIMEOUT, "It used more CPU time than it may."
    if code == _SIGXFSZ:
        return Reason.DISK, "It wrote a larger file than it may."
    if after.forks_refused > before.forks_refused:
        return Reason.PIDS, "It started more processes than it may."
    if space.bytes < FULL_BYTES or space.inodes < FULL_INODES:
        return Reason.DISK, "It filled the workspace."
    return Reason.NONZERO, ""


def _not_started(stderr: Captured) -> tuple[Reason, str]:
    said = stderr.text.strip().splitlines()[-1:] or ["it said nothing"]
    if said[0].startswith("bwrap: execvp "):
        return Reason.NONZERO, f"The program cannot be started: {said[0].removeprefix('bwrap: execvp ')[:400]}"
    if said[0].startswith("bwrap: Can't chdir"):
        return Reason.NONZERO, "There is no such folder to run in."
    return Reason.INFRASTRUCTURE, f"The sandbox did not start the command: {said[0][:400]}"


def _not_found(ended: Ended) -> bool:
    return not ended.exit.started and ended.stderr.head.startswith(b"bwrap: execvp ")
