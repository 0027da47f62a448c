"""The command line: parses arguments, calls bot.commands, turns errors into one sentence and an exit code.

Exit codes: 0 done, 1 it failed, 2 bad input or settings (one sentence each on stderr), 3 nothing was found.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import click
import typer

from bot import __version__
from bot.core.errors import FettleError, SettingsError, UserError
from bot.core.settings import Settings, load
from bot.core.telemetry import configure

app = typer.Typer(
    name="fettle",
    help="Fettle keeps repositories in good health: a self-hosted GitHub App.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

T = TypeVar("T")

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Concurrency = Annotated[int, typer.Option(min=1, max=64, help="Jobs side by side.")]


def main() -> NoReturn:
    """Run the command line; the one place that knows exit codes for errors."""
    try:
        code = app(standalone_mode=False)
    except SettingsError as error:
        sys.exit(_complain(*error.problems))
    except UserError as error:
        sys.exit(_complain(str(error)))
    except FettleError as error:
        _complain(str(error))
        sys.exit(1)
    except click.ClickException as error:
        sys.exit(_complain(error.format_message()))
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


@app.command()
def serve(host: Host = "127.0.0.1", port: Port = 8000) -> None:
    """Receive webhooks and show pages."""
    from bot.commands import serving

    _go(serving.serve(_settings(), host, port))


@app.command()
def work(concurrency: Concurrency = 2) -> None:
    """Work on what the webhooks asked for (an arq worker); start as many as you like."""
    from bot.commands import serving

    _go(serving.work(_settings(), concurrency))


@app.command()
def up(host: Host = "127.0.0.1", port: Port = 8000, concurrency: Concurrency = 2) -> None:
    """Serve and work in one process, on embedded defaults."""
    from bot.commands import serving

    _go(serving.up(_settings(), host, port, concurrency))


@app.command()
def github(
    host: Host = "127.0.0.1",
    port: Port = 3000,
    seed: Annotated[Path | None, typer.Option(help="YAML file with repositories, people and issues.")] = None,
    webhook: Annotated[str, typer.Option(help="Where webhooks go.")] = "http://127.0.0.1:8000/webhooks/github",
) -> None:
    """Run the embedded GitHub-compatible server alone and print its credentials."""
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
    path: Annotated[Path, typer.Argument(help="A local git repository.")],
    issue: Annotated[Path | None, typer.Option(help="A text file that describes the problem.")] = None,
    failing_tests: Annotated[bool, typer.Option("--failing-tests", help="Repair the failing tests.")] = False,
    model: Annotated[str | None, typer.Option(help="A litellm model name; default: FETTLE_MODEL.")] = None,
    as_json: AsJson = False,
    max_seconds: Annotated[float | None, typer.Option(min=1, help="Stop after so many seconds.")] = None,
) -> None:
    """Repair a local repository: leaves a branch fettle/..., never touches your work tree."""
    from bot.commands import fix as body

    if issue and failing_tests:
        raise UserError("Give either --issue or --failing-tests, not both.")
    configure("WARNING", "console")
    overrides: dict[str, Any] = {"FETTLE_MODEL": model} if model else {}
    settings = load(**overrides)
    raise typer.Exit(_go(body.run(settings, path, issue, failing_tests, max_seconds, as_json=as_json)))


@app.command()
def doctor() -> None:
    """Say line by line what is in order, and what to do about what is not."""
    from bot.commands.doctor import examine

    async def body() -> int:
        worst = 0
        async for probe in examine(load()):
            worst = max(worst, 0 if probe.ok else 1)
            advice = f"\n      {probe.advice}" if probe.advice and not probe.ok else ""
            print(f"{'ok  ' if probe.ok else 'FAIL'}  {probe.name}: {probe.detail}{advice}", flush=True)
        return worst

    configure("ERROR", "console")
    raise typer.Exit(_go(body()))


@app.command()
def runs(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, newest first.")] = 20, as_json: AsJson = False
) -> None:
    """List the runs, newest first."""
    from bot.commands.runs import listing

    for row in _go(listing(load(), limit)):
        print(json.dumps(row) if as_json else "  ".join(str(value) for value in row.values() if value is not None))


@app.command()
def version() -> None:
    """Print the version."""
    print(__version__)


def _settings() -> Settings:
    settings = load()
    configure(settings.log_level, settings.log_format)
    return settings


def _go(body: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(body)


def _complain(*sentences: str) -> int:
    for sentence in sentences:
        print(f"fettle: {sentence}", file=sys.stderr)
    return 2
