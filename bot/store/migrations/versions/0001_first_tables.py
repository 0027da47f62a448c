"""The first tables. Run by bot.store.migrations.upgrade; written out so that later table code cannot change it."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ACTIVE = sa.text("state IN ('awaiting_approval', 'editing', 'planning', 'publishing', 'queued', 'validating')")
UNDONE = sa.text("done_at IS NULL")


def upgrade() -> None:
    """Create every table of version 0.1."""
    _deliveries()
    _runs()
    _journal()
    _effects()
    _repositories()
    _stage_seconds()


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        sa.Column("body_hash", sa.LargeBinary, unique=True),
        sa.Column("received_at", sa.BigInteger, nullable=False),
        sa.Column("touched_at", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("done_at", sa.BigInteger),
        sa.Column("error", sa.Text, nullable=False),
    )
    op.create_index("deliveries_undone", "deliveries", ["received_at"], sqlite_where=UNDONE, postgresql_where=UNDONE)


def _runs() -> None:
    op.create_table("runs", *_identity_columns(), *_work_columns())
    op.create_index(
        "runs_one_active",
        "runs",
        ["repository_id", "subject_key"],
        unique=True,
        sqlite_where=ACTIVE,
        postgresql_where=ACTIVE,
    )
    op.create_index("runs_by_state", "runs", ["state", "updated_at"])
    op.create_index("runs_by_subject", "runs", ["repository_id", "subject_key", "created_at"])
    op.create_index("runs_by_age", "runs", ["created_at"])


def _identity_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("repository_id", sa.BigInteger, nullable=False),
        sa.Column("installation_id", sa.BigInteger, nullable=False),
        sa.Column("repository", sa.Text, nullable=False),
        sa.Column("subject_key", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    ]


def _work_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("base", sa.Text, nullable=False),
        sa.Column("branch", sa.Text, nullable=False),
        sa.Column("head", sa.Text, nullable=False),
        sa.Column("rung", sa.Integer, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("fixer", sa.Text),
        sa.Column("plan", sa.Text),
        sa.Column("patch", sa.Text),
        sa.Column("proof", sa.Text),
        sa.Column("pull_request", sa.BigInteger),
        sa.Column("ending", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("cost_usd", sa.Double, nullable=False),
        sa.Column("cancel", sa.Text, nullable=False),
        sa.Column("lease_owner", sa.Text, nullable=False),
        sa.Column("lease_until", sa.BigInteger),
    ]


def _journal() -> None:
    sequence = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "journal",
        sa.Column("seq", sequence, primary_key=True, autoincrement=True),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
        sa.Column("cost_usd", sa.Double, nullable=False),
        sa.Column("tokens", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("journal_by_run", "journal", ["run_id", "seq"])


def _effects() -> None:
    op.create_table(
        "effects",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("begun_at", sa.BigInteger, nullable=False),
        sa.Column("done_at", sa.BigInteger),
    )
    op.create_index("effects_by_run", "effects", ["run_id"])


def _repositories() -> None:
    op.create_table(
        "repositories",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("installation_id", sa.BigInteger, nullable=False),
        sa.Column("full_name", sa.Text, nullable=False),
        sa.Column("name_key", sa.Text, nullable=False),
        sa.Column("default_branch", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("repositories_by_name", "repositories", ["name_key"])
    op.create_index("repositories_by_installation", "repositories", ["installation_id"])


def _stage_seconds() -> None:
    op.create_table(
        "stage_seconds",
        sa.Column("stage", sa.Text, primary_key=True),
        sa.Column("bucket", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("total", sa.Double, nullable=False),
    )
