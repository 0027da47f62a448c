"""Every complaint of the command line: one sentence each on stderr, the right exit code, JSON when asked for."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.cli import app
from tests.cli.conftest import Fettle

KEY = "-----BEGIN RSA PRIVATE KEY-----\nx\n-----END RSA PRIVATE KEY-----"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def configured(environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    environment.setenv("GITHUB_APP_ID", "1")
    environment.setenv("GITHUB_APP_PRIVATE_KEY", KEY)
    environment.setenv("GITHUB_WEBHOOK_SECRET", "s3cr3t")
    return environment


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bogus"], "No such command 'bogus'. See `fettle --help`."),
        (["fix"], "Missing argument 'PATH'. See `fettle fix --help`."),
        (["fix", ".", "--max-seconds", "0"], "greater than or equal to 1"),
        (["fix", ".", "--max-seconds", "nan"], "'--max-seconds'"),
        (["serve", "--port", "70000"], "'--port'"),
        (["serve", "--prot", "1"], "No such option"),
        (["runs", "--limit", "0"], "'--limit'"),
    ],
)
def test_arguments_that_are_wrong(fettle: Fettle, arguments: list[str], said: str) -> None:
    assert fettle(*arguments).complains(said)


@pytest.mark.parametrize("arguments", [["fix"], ["fix", "/nowhere"], ["demo", "--bogus"], ["runs", "--limit", "x"]])
def test_with_json_even_a_complaint_is_one_object(fettle: Fettle, arguments: list[str]) -> None:
    said = fettle(*arguments, "--json")
    assert said.code == 2
    assert said.json == {"ok": False, "error": said.err.removeprefix("fettle: ").strip()}


def test_no_command_shows_the_help(fettle: Fettle) -> None:
    said = fettle()
    assert (said.code, said.err) == (2, "")
    assert "fettle fix PATH" in " ".join(said.out.split())


def test_every_command_has_help(fettle: Fettle) -> None:
    for command in app.registered_commands:
        name = command.callback.__name__ if command.callback else ""
        said = fettle(name, "--help")
        assert said.code == 0
        assert f"fettle {name}" in said.out


@pytest.mark.parametrize(
    ("command", "missing"),
    [
        ("serve", ["GITHUB_WEBHOOK_SECRET"]),
        ("work", ["GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY"]),
        ("up", ["GITHUB_APP_ID", "GITHUB_WEBHOOK_SECRET", "GITHUB_APP_PRIVATE_KEY"]),
    ],
)
def test_serving_without_settings_says_all_that_is_missing(fettle: Fettle, command: str, missing: list[str]) -> None:
    assert fettle(command).complains(*missing)


@pytest.mark.parametrize("command", ["serve", "doctor", "runs", "demo"])
def test_malformed_settings_come_all_at_once(fettle: Fettle, environment: pytest.MonkeyPatch, command: str) -> None:
    environment.setenv("REDIS_URL", "http://:s3cr3t@x")
    environment.setenv("LOG_LEVEL", "loud")
    said = fettle(command)
    assert said.complains("REDIS_URL", "LOG_LEVEL")
    assert "s3cr3t" not in said.err


@pytest.mark.parametrize("command", ["serve", "up"])
def test_a_taken_port(fettle: Fettle, configured: pytest.MonkeyPatch, taken: int, command: str) -> None:
    assert fettle(command, "--port", taken).complains(f"Port {taken} on 127.0.0.1 cannot be bound")


def test_a_taken_port_for_github(fettle: Fettle, taken: int) -> None:
    assert fettle("github", "--port", taken).complains("Address already in use")


def test_a_host_that_is_not_ours(fettle: Fettle, configured: pytest.MonkeyPatch) -> None:
    assert fettle("serve", "--host", "192.0.2.1").complains("cannot be bound")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("DATABASE_URL", "postgresql://u:s3cr3t@127.0.0.1:1/x", "check DATABASE_URL"),
        ("DATABASE_URL", "sqlite:////proc/none/x.db", "check DATABASE_URL"),
        ("REDIS_URL", "redis://:s3cr3t@127.0.0.1:1/0", "check REDIS_URL"),
    ],
)
@pytest.mark.parametrize("command", ["serve", "work"])
def test_what_cannot_be_reached(
    fettle: Fettle, configured: pytest.MonkeyPatch, command: str, variable: str, value: str, said: str
) -> None:
    configured.setenv(variable, value)
    answer = fettle(command, *(["--port", "0"] if command == "serve" else []))
    assert answer.code == 1
    assert said in answer.err
    assert len(answer.err.splitlines()) == 1
    assert "s3cr3t" not in answer.err


def test_a_data_folder_that_cannot_be_written(
    fettle: Fettle, environment: pytest.MonkeyPatch, repository: Path
) -> None:
    environment.setenv("FETTLE_DATA_DIR", "/proc/fettle")
    assert fettle("fix", repository).complains("set FETTLE_DATA_DIR")
    assert fettle("runs").complains("set FETTLE_DATA_DIR")


def test_a_bug_is_a_sentence_without_the_text_of_the_exception(
    fettle: Fettle, environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # A folder where the database file should be is nothing that anybody foresaw.
    environment.setenv("FETTLE_DATA_DIR", str(tmp_path))
    (tmp_path / "fettle.db").mkdir()
    said = fettle("runs", "--json")
    assert said.code == 1
    assert len(said.err.splitlines()) == 1
    assert said.json["ok"] is False


def test_runs_of_a_new_database(fettle: Fettle, environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment.setenv("FETTLE_DATA_DIR", str(tmp_path))
    assert fettle("runs").out == "No runs yet: put the label on an issue.\n"
    assert fettle("runs", "--json").json == {"ok": True, "runs": []}


def test_a_seed_of_no_use(fettle: Fettle, tmp_path: Path) -> None:
    bad = tmp_path / "seed.yml"
    bad.write_text("just words")
    assert fettle("github", "--port", "0", "--seed", bad).complains("is not right at the top")
    assert fettle("github", "--port", "0", "--seed", tmp_path / "none").complains("cannot be read")


def test_doctor_without_a_github_is_content(fettle: Fettle) -> None:
    said = fettle("doctor")
    assert said.code == 0, said.out
    assert {line.split(":")[0] for line in said.out.splitlines()} >= {"ok    python", "ok    git", "ok    database"}
    assert "ok    github: not configured" in said.out


def test_doctor_says_what_is_wrong_and_what_to_do(fettle: Fettle, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("REDIS_URL", "redis://:s3cr3t@127.0.0.1:1/0")
    environment.setenv("GITHUB_APP_ID", "1")
    said = fettle("doctor")
    assert said.code == 1
    assert "FAIL  queue: REDIS_URL: " in said.out
    assert "      Check REDIS_URL" in said.out
    assert "FAIL  github: GITHUB_WEBHOOK_SECRET is not set" in said.out
    assert "s3cr3t" not in said.out + said.err


def test_serve_imports_neither_models_nor_a_client_of_github() -> None:
    program = "import bot.cli, bot.commands.serving, sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & {"litellm", "openai", "githubkit", "libcst"}


def test_the_webhooks_of_the_embedded_github_go_where_serve_listens_by_default() -> None:
    from inspect import signature

    from bot.app import PATHS
    from bot.cli import github, serve

    wanted = f"http://{signature(serve).parameters['host'].default}:{signature(serve).parameters['port'].default}"
    assert signature(github).parameters["webhook"].default == f"{wanted}{PATHS[0]}"
