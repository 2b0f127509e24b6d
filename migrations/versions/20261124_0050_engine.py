"""The AI engine: versions of models, training runs, forecasts, verdicts, outcomes of signals, live skill."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql as pg

revision = "20261124_0050"
down_revision = "20261124_0040"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "model_versions",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("feature_set", sa.Text(), nullable=False),
        sa.Column("horizon_minutes", sa.Integer(), nullable=False),
        sa.Column("symbols", pg.ARRAY(sa.Text()), nullable=False),
        sa.Column("data_from", TIME, nullable=False),
        sa.Column("data_to", TIME, nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("slope", sa.Double(), nullable=False),
        sa.Column("center", sa.Double(), nullable=False),
        sa.Column("typical_move", sa.Double(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("metrics", pg.JSONB(), nullable=False),
        sa.Column("comparison", pg.JSONB()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("role_since", TIME, nullable=False),
        sa.CheckConstraint("role IN ('CHALLENGER', 'CHAMPION', 'RETIRED')", name=op.f("ck_model_versions_role")),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_model_versions")),
    )
    for part in ("champion", "challenger"):
        op.create_index(
            f"uq_model_versions_one_{part}",
            "model_versions",
            ["family"],
            unique=True,
            postgresql_where=sa.text(f"role = '{part.upper()}'"),
        )
    op.create_index("ix_model_versions_created_at", "model_versions", ["created_at"])
    op.create_table(
        "training_runs",
        sa.Column("run_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("ended_at", TIME, nullable=False),
        sa.Column("data_from", TIME),
        sa.Column("data_to", TIME),
        sa.Column("symbols", pg.ARRAY(sa.Text()), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("horizon_minutes", sa.Integer(), nullable=False),
        sa.Column("skill", pg.JSONB(), nullable=False),
        sa.Column("reliability", pg.JSONB(), nullable=False),
        sa.Column("families", pg.JSONB(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_training_runs")),
    )
    op.create_table(
        "forecasts",
        sa.Column("at", TIME, nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("is_shadow", sa.Boolean(), nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.Column("horizon_minutes", sa.Integer(), nullable=False),
        sa.Column("move", sa.Double()),
        sa.Column("reason", sa.Text()),
        sa.Column("settled_at", TIME),
        sa.CheckConstraint("probability >= 0 AND probability <= 1", name=op.f("ck_forecasts_probability_range")),
        sa.PrimaryKeyConstraint("at", "symbol", "version", name=op.f("pk_forecasts")),
    )
    op.create_index("ix_forecasts_open", "forecasts", ["at"], postgresql_where=sa.text("settled_at IS NULL"))
    op.create_index("ix_forecasts_version_at", "forecasts", ["version", "at"])
    op.create_table(
        "ensemble_verdicts",
        sa.Column("at", TIME, nullable=False),
        sa.Column("symbol", sa.Text(), nullable=False),
        sa.Column("probability", sa.Double()),
        sa.Column("agreement", sa.Double()),
        sa.Column("spread", sa.Double()),
        sa.Column("votes", pg.JSONB(), nullable=False),
        sa.Column("abstentions", pg.JSONB(), nullable=False),
        sa.Column("signal_id", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("at", "symbol", name=op.f("pk_ensemble_verdicts")),
    )
    op.create_table(
        "signal_outcomes",
        sa.Column("signal_id", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("horizon_minutes", sa.Integer(), nullable=False),
        sa.Column("entry_price", sa.Numeric()),
        sa.Column("exit_price", sa.Numeric()),
        sa.Column("gross_return", sa.Numeric()),
        sa.Column("cost", sa.Numeric(), nullable=False),
        sa.Column("net_return", sa.Numeric()),
        sa.Column("reason", sa.Text()),
        sa.Column("recorded_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("signal_id", name=op.f("pk_signal_outcomes")),
        sa.ForeignKeyConstraint(["signal_id"], ["signals.signal_id"], name=op.f("fk_signal_outcomes_signal_id")),
        sa.UniqueConstraint("sequence", name=op.f("uq_signal_outcomes_sequence")),
    )
    op.create_table(
        "live_skills",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("estimate", sa.Double(), nullable=False),
        sa.Column("standard_error", sa.Double()),
        sa.Column("blocks", sa.Integer(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_live_skills")),
    )


def downgrade() -> None:
    for table in (
        "live_skills",
        "signal_outcomes",
        "ensemble_verdicts",
        "forecasts",
        "training_runs",
        "model_versions",
    ):
        op.drop_table(table)
