"""Every table and its column types; the folder's other modules query them, migrations/ creates them.

Times are stored as whole microseconds since 1970 (UTC), structured values as ASCII JSON text: both read the same in
SQLite and PostgreSQL.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from bot.core.budget import Scope
from bot.core.machine import ACTIVE, State
from bot.core.patch import Patch
from bot.core.proof import Proof
from bot.core.run import Ending, FixerName, Plan, Subject
from bot.store import codec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(sa.types.TypeDecorator[datetime]):
    """An aware UTC datetime, stored as microseconds since 1970."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        """Datetime to integer; raises TypeError for a naive datetime."""
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:
        """Integer to datetime."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Untrusted(sa.types.TypeDecorator[str]):
    """Text from outside: any str survives, also with NUL and lone surrogates, which PostgreSQL refuses."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """Escape what a database cannot hold."""
        return None if value is None else codec.escape(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """Undo the escape."""
        return None if value is None else codec.unescape(value)


class Word(sa.types.TypeDecorator[StrEnum]):
    """A member of one StrEnum, stored as its value."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: StrEnum | None, dialect: sa.Dialect) -> str | None:
        """Member to value."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> StrEnum | None:
        """Value to member; raises ValueError for a value that the Enum does not have."""
        return None if value is None else self.kind(value)


class Coded(sa.types.TypeDecorator[Any]):
    """A frozen dataclass, or a dict, stored as JSON text."""

    impl = sa.Text
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        """Value to JSON."""
        return None if value is None else codec.encode(self.kind, value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:
        """JSON to value."""
        return None if value is None else codec.decode(self.kind, value)


metadata = sa.MetaData()

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("payload", sa.LargeBinary, nullable=False),
    sa.Column("body_hash", sa.LargeBinary, unique=True),
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("touched_at", Moment, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("done_at", Moment),
    sa.Column("error", Untrusted, nullable=False, default=""),
)
sa.Index("deliveries_undone", deliveries.c.received_at, sqlite_where=sa.text("done_at IS NULL"),
         postgresql_where=sa.text("done_at IS NULL"))  # fmt: skip # the same condition, once a dialect

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("repository_id", sa.BigInteger, nullable=False),
    sa.Column("installation_id", sa.BigInteger, nullable=False),
    sa.Column("repository", Untrusted, nullable=False),
    sa.Column("subject_key", sa.Text, nullable=False),
    sa.Column("subject", Coded(Subject), nullable=False),
    sa.Column("state", Word(State), nullable=False),
    sa.Column("asked_by", Untrusted, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Column("base", Untrusted, nullable=False),
    sa.Column("branch", Untrusted, nullable=False),
    sa.Column("head", Untrusted, nullable=False),
    sa.Column("rung", sa.Integer, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("fixer", Word(FixerName)),
    sa.Column("plan", Coded(Plan)),
    sa.Column("patch", Coded(Patch)),
    sa.Column("proof", Coded(Proof)),
    sa.Column("pull_request", sa.BigInteger),
    sa.Column("ending", Word(Ending)),
    sa.Column("reason", Untrusted, nullable=False),
    sa.Column("cost_usd", sa.Double, nullable=False),
    sa.Column("cancel", Untrusted, nullable=False),
    sa.Column("lease_owner", sa.Text, nullable=False),
    sa.Column("lease_until", Moment),
)
_ACTIVE = sa.text("state IN (" + ", ".join(f"'{state}'" for state in sorted(ACTIVE)) + ")")
sa.Index("runs_one_active", runs.c.repository_id, runs.c.subject_key, unique=True, sqlite_where=_ACTIVE,
         postgresql_where=_ACTIVE)  # fmt: skip # the same condition, once a dialect
sa.Index("runs_by_state", runs.c.state, runs.c.updated_at)
sa.Index("runs_by_subject", runs.c.repository_id, runs.c.subject_key, runs.c.created_at)
sa.Index("runs_by_age", runs.c.created_at)

_SEQUENCE = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts up only an INTEGER key

journal = sa.Table(
    "journal",
    metadata,
    sa.Column("seq", _SEQUENCE, primary_key=True, autoincrement=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("data", Coded(dict[str, object]), nullable=False),
    sa.Column("cost_usd", sa.Double, nullable=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
sa.Index("journal_by_run", journal.c.run_id, journal.c.seq)

effects = sa.Table(
    "effects",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("run_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("result", Coded(dict[str, object])),
    sa.Column("begun_at", Moment, nullable=False),
    sa.Column("done_at", Moment),
)
sa.Index("effects_by_run", effects.c.run_id)

repositories = sa.Table(
    "repositories",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("installation_id", sa.BigInteger, nullable=False),
    sa.Column("full_name", Untrusted, nullable=False),
    sa.Column("name_key", Untrusted, nullable=False),
    sa.Column("default_branch", Untrusted, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
)
sa.Index("repositories_by_name", repositories.c.name_key)
sa.Index("repositories_by_installation", repositories.c.installation_id)

stage_seconds = sa.Table(
    "stage_seconds",
    metadata,
    sa.Column("stage", sa.Text, primary_key=True),
    sa.Column("bucket", sa.Text, primary_key=True),
    sa.Column("count", sa.BigInteger, nullable=False),
    sa.Column("total", sa.Double, nullable=False),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("scope", Word(Scope), primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("period", sa.Text, primary_key=True),
    sa.Column("nano_usd", sa.BigInteger, nullable=False),
    sa.Column("tokens", sa.BigInteger, nullable=False),
    sa.Column("calls", sa.BigInteger, nullable=False),
)

reservations = sa.Table(
    "reservations",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("scope", Word(Scope), primary_key=True),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("period", sa.Text, nullable=False),
    sa.Column("nano_usd", sa.BigInteger, nullable=False),
    sa.Column("until", Moment, nullable=False),
)
sa.Index("reservations_by_account", reservations.c.scope, reservations.c.subject, reservations.c.period)
