"""Settings from the environment, read once at start and passed in by bot.cli; a problem is one sentence each."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bot.core import routing
from bot.core.errors import SettingsError, UserError

GITHUB_API, GITHUB_SERVER = "https://api.github.com", "https://github.com"


def default_data_dir() -> Path:
    """Where state lives by default: /var/lib/fettle for root, else the XDG data folder.

    Root's home is closed to the sandbox's unprivileged uid, so root never keeps base trees there.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/fettle")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "fettle"


class Settings(BaseSettings):
    """Every setting; the field's alias is the environment variable and its description is the README's row."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, populate_by_name=True, env_ignore_empty=True)

    github_app_id: int | None = Field(None, alias="GITHUB_APP_ID", description="The App's id, a number.", gt=0)
    github_app_private_key: SecretStr | None = Field(
        None,
        alias="GITHUB_APP_PRIVATE_KEY",
        description="The App's private key, PEM text (`\\n` may stand for newlines).",
    )
    github_app_private_key_path: Path | None = Field(
        None, alias="GITHUB_APP_PRIVATE_KEY_PATH", description="Instead of the text: the path of the PEM file."
    )
    github_webhook_secret: SecretStr | None = Field(
        None, alias="GITHUB_WEBHOOK_SECRET", description="The webhook secret; several, comma-separated, while rotating."
    )
    github_api_url: str = Field(
        GITHUB_API, alias="GITHUB_API_URL", description="The REST API, for GHES or `fettle github`."
    )
    github_server_url: str = Field(
        GITHUB_SERVER, alias="GITHUB_SERVER_URL", description="Where git and pages are, for GHES or `fettle github`."
    )
    database_url: str | None = Field(
        None, alias="DATABASE_URL", description="`postgresql://…` or `sqlite:///…`; default: SQLite in the data folder."
    )
    redis_url: str | None = Field(
        None, alias="REDIS_URL", description="`redis://…` of Valkey or Redis; default: an embedded Valkey."
    )
    data_dir: Path = Field(
        default_factory=default_data_dir, alias="FETTLE_DATA_DIR", description="Mirrors, trees, environments, SQLite."
    )
    model: str | None = Field(
        None,
        alias="FETTLE_MODEL",
        description="A litellm model name, or several, comma-separated, best liked first; `NAME=IN/OUT` states a price "
        "in US dollars for a million tokens in and out. Unset: no model is ever called.",
    )
    model_mode: routing.Mode | None = Field(
        None,
        alias="FETTLE_MODEL_MODE",
        description="`normal`, `deep`, `code` or `ops`: caps on an attempt's steps, money and model price; unset: "
        "the budget alone.",
    )
    sandbox: Literal["bubblewrap"] = Field(
        "bubblewrap", alias="FETTLE_SANDBOX", description="The sandbox backend; `bubblewrap` is the one there is."
    )
    trigger_label: str = Field("autofix", alias="FETTLE_TRIGGER_LABEL", description="The label that starts a run.")
    budget_usd: float = Field(
        1.0, alias="FETTLE_BUDGET_USD", description="US dollars that one run may spend on models.", ge=0, le=1000
    )
    repository_day_usd: float | None = Field(
        None,
        alias="FETTLE_BUDGET_REPOSITORY_DAY_USD",
        description="US dollars that all runs of one repository may spend on models a day (UTC); unset: no cap.",
        ge=0,
        le=1_000_000,
    )
    installation_month_usd: float | None = Field(
        None,
        alias="FETTLE_BUDGET_INSTALLATION_MONTH_USD",
        description="US dollars that all runs of one installation may spend on models a month (UTC); unset: no cap.",
        ge=0,
        le=1_000_000,
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", alias="LOG_LEVEL", description="DEBUG, INFO, WARNING or ERROR."
    )
    log_format: Literal["console", "json"] = Field("console", alias="LOG_FORMAT", description="`console` or `json`.")

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("model")
    @classmethod
    def _models(cls, value: str | None) -> str | None:
        if value:
            try:
                routing.parse(value)
            except UserError as error:
                raise ValueError(str(error).removeprefix("FETTLE_MODEL: ").rstrip(".")) from None
        return value

    @field_validator("github_api_url", "github_server_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
        if not parts.hostname or not (parts.scheme == "https" or local):
            raise ValueError("must be an https:// address (plain http:// only on this machine)")
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str | None) -> str | None:
        if value and not value.startswith(
            ("postgresql://", "postgresql+asyncpg://", "postgres://", "sqlite:///", "sqlite+aiosqlite:///")
        ):
            raise ValueError("must start with postgresql:// or sqlite:///")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str | None) -> str | None:
        if value and not value.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must start with redis://, rediss:// or unix://")
        return value

    @model_validator(mode="after")
    def _one_key(self) -> Settings:
        if self.github_app_private_key and self.github_app_private_key_path:
            raise ValueError("GITHUB_APP_PRIVATE_KEY and GITHUB_APP_PRIVATE_KEY_PATH are both set; keep one")
        return self

    @property
    def webhook_secrets(self) -> tuple[SecretStr, ...]:
        """Every accepted webhook secret, newest first as written."""
        text = self.github_webhook_secret.get_secret_value() if self.github_webhook_secret else ""
        return tuple(SecretStr(part.strip()) for part in text.split(",") if part.strip())

    @property
    def policy(self) -> routing.Policy:
        """The limits of one attempt of the agent rung, by the mode."""
        return routing.NO_LIMITS if self.model_mode is None else routing.POLICIES[self.model_mode]

    @property
    def database(self) -> str:
        """The database's address, the SQLite default filled in."""
        return self.database_url or f"sqlite:///{self.data_dir / 'fettle.db'}"

    def private_key(self) -> SecretStr:
        """The App's PEM key, from the text or the file; raises SettingsError when neither can be read."""
        if self.github_app_private_key:
            return SecretStr(self.github_app_private_key.get_secret_value().replace("\\n", "\n"))
        if self.github_app_private_key_path is None:
            raise SettingsError([_MISSING["key"]])
        try:
            return SecretStr(self.github_app_private_key_path.read_text(encoding="ascii"))
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not a text file"
            raise SettingsError(
                [f"GITHUB_APP_PRIVATE_KEY_PATH names {self.github_app_private_key_path}, but {why}: give the PEM file."]
            ) from None


_MISSING = {
    "id": "GITHUB_APP_ID is not set: take the number from the App's settings page.",
    "key": "GITHUB_APP_PRIVATE_KEY or GITHUB_APP_PRIVATE_KEY_PATH is not set: create a key on the App's settings page.",
    "secret": "GITHUB_WEBHOOK_SECRET is not set: take it from the App's settings page.",
}


class _Given(Settings):
    # The same fields, without a look at the process's own environment.
    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *_: Any, **__: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def load(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Read settings from `environ` (default: the process's own); raises SettingsError with every problem at once."""
    given = {} if environ is None else {key: value for key, value in environ.items() if value}
    kind = Settings if environ is None else _Given
    try:
        return kind(**(given | overrides))
    except ValidationError as error:
        # The input never enters the sentence: it may be a secret.
        raise SettingsError([_sentence(problem) for problem in error.errors(include_input=False)]) from None


def _sentence(problem: Any) -> str:
    name = problem["loc"][0] if problem["loc"] else ""
    text = problem["msg"].removeprefix("Value error, ")
    return f"{name}: {text}." if name else f"{text}."


def require_github(settings: Settings, *, app: bool = True, webhooks: bool = True) -> None:
    """Raise SettingsError, every missing one named, unless what a process needs is there and readable.

    `app` is the App's id and key, which only workers hold; `webhooks` is the secret, which only the front needs.
    """
    problems = [_MISSING["id"]] if app and not settings.github_app_id else []
    problems += [_MISSING["secret"]] if webhooks and not settings.webhook_secrets else []
    problems += _problems_of(settings.private_key) if app else []
    if problems:
        raise SettingsError(problems)


def _problems_of(read: Callable[[], SecretStr]) -> list[str]:
    try:
        key = read().get_secret_value()
    except SettingsError as error:
        return error.problems
    return [] if "PRIVATE KEY-----" in key else ["The App's private key is not a PEM private key: download it again."]


def table() -> str:
    """The README's configuration table, from the fields: name, default, meaning."""
    rows = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for field in Settings.model_fields.values():
        default = "" if field.default is None or field.is_required() else f"`{field.default}`"
        default = "`/var/lib/fettle` as root, else `~/.local/share/fettle`" if field.default_factory else default
        rows.append(f"| `{field.alias}` | {default} | {field.description} |")
    return "\n".join(rows)
