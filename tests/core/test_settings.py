"""Settings: every variable, every malformed value, all problems at once, and no secret in a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.core.errors import SettingsError
from bot.core.routing import Mode
from bot.core.settings import Settings, load, require_github

SECRET = "s3cr3t-that-nobody-reads"
PEM = f"-----BEGIN RSA PRIVATE KEY-----\\n{SECRET}\\n-----END RSA PRIVATE KEY-----"

GOOD: list[tuple[str, str, str, Any]] = [
    ("GITHUB_APP_ID", "17", "github_app_id", 17),
    ("GITHUB_APP_PRIVATE_KEY_PATH", "/k.pem", "github_app_private_key_path", Path("/k.pem")),
    ("GITHUB_API_URL", "https://ghe.example/api/v3/", "github_api_url", "https://ghe.example/api/v3"),
    ("GITHUB_API_URL", "http://127.0.0.1:3000/api/v3", "github_api_url", "http://127.0.0.1:3000/api/v3"),
    ("GITHUB_SERVER_URL", "http://[::1]:3000", "github_server_url", "http://[::1]:3000"),
    ("DATABASE_URL", "postgresql://u:p@db/x", "database_url", "postgresql://u:p@db/x"),
    ("DATABASE_URL", "sqlite:////var/x.db", "database_url", "sqlite:////var/x.db"),
    ("REDIS_URL", "rediss://:p@r:6380/1", "redis_url", "rediss://:p@r:6380/1"),
    ("REDIS_URL", "unix:///run/valkey", "redis_url", "unix:///run/valkey"),
    ("FETTLE_DATA_DIR", "/srv/fettle", "data_dir", Path("/srv/fettle")),
    ("FETTLE_MODEL", "ollama/qwen", "model", "ollama/qwen"),
    ("FETTLE_MODEL", "a/x=1/10, b/y", "model", "a/x=1/10, b/y"),
    ("FETTLE_MODEL_MODE", "deep", "model_mode", Mode.DEEP),
    ("FETTLE_SANDBOX", "bubblewrap", "sandbox", "bubblewrap"),
    ("FETTLE_TRIGGER_LABEL", "mend", "trigger_label", "mend"),
    ("FETTLE_BUDGET_USD", "0.25", "budget_usd", 0.25),
    ("FETTLE_BUDGET_REPOSITORY_DAY_USD", "3", "repository_day_usd", 3.0),
    ("FETTLE_BUDGET_INSTALLATION_MONTH_USD", "0", "installation_month_usd", 0.0),
    ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
    ("LOG_FORMAT", "json", "log_format", "json"),
]

BAD = {
    "GITHUB_APP_ID": ["x", "0", "-3", "1.5"],
    "GITHUB_API_URL": ["ftp://x", "api.github.com", "http://ghe.example/api/v3", "https://", "http://[::1"],
    "GITHUB_SERVER_URL": ["http://github.com", "x"],
    "DATABASE_URL": ["mysql://u:p@db/x", "/var/x.db", "sqlite://"],
    "REDIS_URL": ["http://r:6379", "localhost:6379"],
    "FETTLE_MODEL": ["a/x=cheap", "a/x=1", ","],
    "FETTLE_MODEL_MODE": ["fast"],
    "FETTLE_SANDBOX": ["docker", "none"],
    "FETTLE_BUDGET_USD": ["-1", "1001", "much", "nan"],
    "FETTLE_BUDGET_REPOSITORY_DAY_USD": ["-1", "nan", "inf"],
    "FETTLE_BUDGET_INSTALLATION_MONTH_USD": ["x", "inf"],
    "LOG_LEVEL": ["LOUD"],
    "LOG_FORMAT": ["xml"],
}


@pytest.mark.parametrize(("variable", "text", "name", "value"), GOOD)
def test_a_variable_is_read(variable: str, text: str, name: str, value: object) -> None:
    assert getattr(load({variable: text}), name) == value


def test_every_variable_is_tried_here() -> None:
    secret = {"GITHUB_APP_PRIVATE_KEY", "GITHUB_WEBHOOK_SECRET"}
    assert {field.alias for field in Settings.model_fields.values()} == {row[0] for row in GOOD} | secret


@pytest.mark.parametrize(("variable", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
def test_a_malformed_value_is_one_sentence_that_names_its_variable(variable: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({variable: text})

    (sentence,) = caught.value.problems
    assert sentence.startswith(f"{variable}: ")
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_all_problems_come_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        load({name: texts[0] for name, texts in BAD.items()})

    assert [sentence.partition(":")[0] for sentence in caught.value.problems] == list(BAD)


def test_a_value_that_may_be_secret_is_in_no_sentence_and_no_repr() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"DATABASE_URL": f"mysql://u:{SECRET}@db/x", "REDIS_URL": f"http://:{SECRET}@r", "GITHUB_APP_ID": SECRET})
    assert SECRET not in str(caught.value)

    settings = load({"GITHUB_APP_PRIVATE_KEY": PEM, "GITHUB_WEBHOOK_SECRET": SECRET})
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings.webhook_secrets)


def test_an_empty_value_is_as_good_as_none() -> None:
    assert load({"GITHUB_APP_ID": "", "REDIS_URL": "", "FETTLE_MODEL": ""}) == load({})


def test_the_process_environment_is_read_only_when_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FETTLE_TRIGGER_LABEL", "from-outside")
    assert load().trigger_label == "from-outside"
    assert load(FETTLE_TRIGGER_LABEL="mine").trigger_label == "mine"
    assert load({}).trigger_label == "autofix"


def test_secrets_rotate() -> None:
    secrets = load({"GITHUB_WEBHOOK_SECRET": " new , old,, "}).webhook_secrets
    assert [secret.get_secret_value() for secret in secrets] == ["new", "old"]


def test_a_secret_of_commas_is_no_secret() -> None:
    with pytest.raises(SettingsError, match="GITHUB_WEBHOOK_SECRET is not set"):
        require_github(load({"GITHUB_APP_ID": "1", "GITHUB_APP_PRIVATE_KEY": PEM, "GITHUB_WEBHOOK_SECRET": " , "}))


def test_a_key_may_stand_on_one_line() -> None:
    key = load({"GITHUB_APP_PRIVATE_KEY": PEM}).private_key().get_secret_value()
    assert key.splitlines() == ["-----BEGIN RSA PRIVATE KEY-----", SECRET, "-----END RSA PRIVATE KEY-----"]


def test_a_key_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_text(PEM.replace("\\n", "\n"))
    assert SECRET in load({"GITHUB_APP_PRIVATE_KEY_PATH": str(path)}).private_key().get_secret_value()


def test_two_keys_are_one_too_many() -> None:
    with pytest.raises(SettingsError, match="are both set; keep one"):
        load({"GITHUB_APP_PRIVATE_KEY": PEM, "GITHUB_APP_PRIVATE_KEY_PATH": "/k.pem"})


def test_what_serving_lacks_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        require_github(load({}))

    assert [sentence.split()[0] for sentence in caught.value.problems] == [
        "GITHUB_APP_ID",
        "GITHUB_WEBHOOK_SECRET",
        "GITHUB_APP_PRIVATE_KEY",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file"),
        (b"\xff\xfe", "not a text file"),
        (b"hello", "not a PEM private key"),
        (b"", "not a PEM private key"),
        (b"-----BEGIN PUBLIC KEY-----", "not a PEM private key"),
    ],
)
def test_a_key_file_that_is_none(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "key.pem"
    if content is not None:
        path.write_bytes(content)
    settings = load({"GITHUB_APP_ID": "1", "GITHUB_WEBHOOK_SECRET": SECRET, "GITHUB_APP_PRIVATE_KEY_PATH": str(path)})
    with pytest.raises(SettingsError, match=said) as caught:
        require_github(settings)
    assert len(caught.value.problems) == 1


def test_the_database_is_sqlite_in_the_data_folder_unless_said_otherwise() -> None:
    assert load({"FETTLE_DATA_DIR": "/srv/f"}).database == "sqlite:////srv/f/fettle.db"
    assert load({"DATABASE_URL": "postgresql://db/x"}).database == "postgresql://db/x"
