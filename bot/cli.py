"""The command line: parses arguments, calls bot.commands, turns errors into one sentence and an exit code.

Exit codes: 0 done, 1 it failed, 2 bad input or settings (one sentence each on stderr), 3 nothing was found, 130 and 143
interrupted. With `--json` exactly one JSON object goes to stdout whatever happens: `{"ok": false, "error": "..."}`.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from bot import __version__
from bot.core.errors import FettleError, SettingsError, UserError
from bot.core.settings import Settings, load
from bot.core.telemetry import configure

app = typer.Typer(
    name="fettle",
    help="Fettle keeps repositories in good health: a self-hosted GitHub App.\n\n"
    "Try `fettle demo`, or `fettle fix PATH` on a repository of yours; `fettle doctor` says what is missing. "
    "Settings are environment variables (README).",
    add_completion=False,
    pretty_exceptions_enable=False,
)

T = TypeVar("T")
DONE, FAILED, BAD_INPUT, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0: a free one.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print exactly one JSON object on stdout.")]
Concurrency = Annotated[int, typer.Option(min=1, max=64, help="Jobs side by side.")]


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit; the one place that knows exit codes for errors."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            # A terminal that cannot show a character is no reason to fail.
            reconfigure(errors="backslashreplace")
    try:
        code = app(given, prog_name="fettle", standalone_mode=False)
        if code == INTERRUPTED:
            # typer's own translation, made before this could see it; no command returns it.
            raise KeyboardInterrupt
    except BaseException as error:  # the last frame of the process: nothing may show a traceback
        code, told = _fate(error)
        sentences = [" ".join(sentence.split()) for sentence in told]
        for sentence in sentences:
            print(f"fettle: {sentence}", file=sys.stderr)
        if "--json" in given:
            print(json.dumps({"ok": False, "error": " ".join(sentences)}))
    sys.exit(code if isinstance(code, int) else DONE)


@app.callback(invoke_without_command=True)
def root(context: typer.Context) -> None:
    """Show the help when no command is given."""
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(BAD_INPUT)


@app.command()
def serve(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Receive webhooks and show pages, until a signal. Needs the App's credentials."""
    from bot.commands import serving

    _go(serving.serve(_settings(), host, port))


@app.command()
def work(concurrency: Concurrency = 2) -> None:
    """Work on what the webhooks asked for (an arq worker), until a signal; start as many as you like."""
    from bot.commands import serving

    _go(serving.work(_settings(), concurrency))


@app.command()
def up(host: Host = "127.0.0.1", port: Port = 8000, concurrency: Concurrency = 2) -> None:
    """Serve and work in one process, on embedded defaults, until a signal."""
    from bot.commands import serving

    _go(serving.up(_settings(), host, port, concurrency))


@app.command()
def github(
    host: Host = "127.0.0.1",
    port: Port = 3000,
    seed: Annotated[Path | None, typer.Option(help="YAML file with repositories, people and issues.")] = None,
    webhook: Annotated[
        str, typer.Option(help="Where webhooks go: the address of `fettle serve`.")
    ] = "http://127.0.0.1:8000/webhooks/github",
) -> None:
    """Run the embedded GitHub-compatible server alone and print its addresses and credentials, until a signal."""
    from bot.commands import embedded_github

    _go(embedded_github.serve(host, port, seed, webhook, lambda line: print(line, flush=True)))


@app.command()
def demo(
    as_json: AsJson = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep serving afterwards.")] = False,
) -> None:
    """Run the main job end to end on embedded defaults: no account, no key, no Docker."""
    from bot.commands import demo as body

    configure("WARNING", "console")
    raise typer.Exit(_go(body.demo(load(), as_json=as_json, keep=keep)))


@app.command()
def fix(
    path: Annotated[Path, typer.Argument(help="A folder in a local git repository.", metavar="PATH")],
    issue: Annotated[Path | None, typer.Option(help="A text file that describes the problem.")] = None,
    failing_tests: Annotated[bool, typer.Option("--failing-tests", help="Insist on failing tests to repair.")] = False,
    model: Annotated[str | None, typer.Option(help="A litellm model name; default: FETTLE_MODEL.")] = None,
    as_json: AsJson = False,
    max_seconds: Annotated[float | None, typer.Option(min=1, help="Stop after so many seconds.")] = None,
) -> None:
    """Repair a local repository: leaves a branch fettle/..., never touches your work tree.

    Exits 0 with a proven patch, 3 when none was found, 2 on bad input.
    """
    from bot.commands import fix as body

    if issue and failing_tests:
        raise UserError("Give either --issue or --failing-tests, not both.")
    configure("WARNING", "console")
    overrides: dict[str, Any] = {"FETTLE_MODEL": model} if model else {}
    settings = load(**overrides)
    subject = body.read_issue(issue) if issue else body.NO_SUBJECT
    wish = body.Wish(path, subject, failing_tests, max_seconds)
    raise typer.Exit(_go(body.run(settings, wish, as_json=as_json)))


@app.command()
def doctor() -> None:
    """Say line by line what is in order, and what to do about what is not; exits 1 when something is not."""
    from bot.commands import doctor as body

    configure("ERROR", "console")
    raise typer.Exit(_go(body.report(load(), lambda line: print(line, flush=True))))


@app.command()
def runs(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20, as_json: AsJson = False
) -> None:
    """List the runs of the configured database, newest first."""
    from bot.commands import runs as body

    configure("ERROR", "console")
    rows = _go(body.listing(load(), limit))
    print(json.dumps({"ok": True, "runs": rows}) if as_json else body.as_text(rows))


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


def _settings() -> Settings:
    settings = load()
    configure(settings.log_level, settings.log_format)
    return settings


def _go(body: Coroutine[Any, Any, T]) -> T:
    async def stoppable() -> T:
        # SIGTERM unwinds as Ctrl-C does: sandboxes are closed and leases given back.
        task = asyncio.current_task()
        if task is not None:
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await body

    return asyncio.run(stoppable())


def _fate(error: BaseException) -> tuple[int, list[str]]:
    """The exit code and the sentences for what a command raised."""
    match error:
        case SystemExit():
            return error.code if isinstance(error.code, int) else FAILED, []
        case SettingsError():
            return BAD_INPUT, error.problems
        case UserError():
            return BAD_INPUT, [str(error)]
        case FettleError():
            return FAILED, [str(error)]
        case typer.Abort() | KeyboardInterrupt():
            return INTERRUPTED, ["Interrupted."]
        case asyncio.CancelledError():
            return TERMINATED, ["Terminated."]
    # typer carries click or imports it, release by release: both name this method, and typer exports neither class.
    usage = getattr(error, "format_message", None)
    if callable(usage):
        return BAD_INPUT, [f"{usage()} See `{_command(error)} --help`."]
    return FAILED, [_bug(error)]


def _command(error: BaseException) -> str:
    return getattr(getattr(error, "ctx", None), "command_path", "fettle")


def _bug(error: BaseException) -> str:
    if os.environ.get("LOG_LEVEL", "").upper() == "DEBUG":
        traceback.print_exception(error)
    # The exception's own text may hold what nobody should read; its type may be said.
    kind = type(error).__name__
    return f"This is a bug of Fettle ({kind}): run it again with LOG_LEVEL=DEBUG for a traceback, and report it."
