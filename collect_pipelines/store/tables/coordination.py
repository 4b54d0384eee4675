"""What processes share: leases, quota, alerts, and who changed what."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Float, Index, PrimaryKeyConstraint, Table, Text, text

from collect_pipelines.store.tables.base import document, identity, metadata, moment

__all__ = ["alert", "audit", "lease", "quota"]

lease = Table(
    "lease",
    metadata,
    Column("name", Text, nullable=False),
    # Empty after a release. The row stays: the epoch must never start again.
    Column("owner", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
    moment("expires_at", nullable=False),
    PrimaryKeyConstraint("name"),
)

quota = Table(
    "quota",
    metadata,
    Column("key", Text, nullable=False),
    Column("tokens", Float, nullable=False),
    Column("burst", Float, nullable=False),
    Column("rate", Float, nullable=False),
    moment("refilled_at", nullable=False),
    moment("slow_until"),
    PrimaryKeyConstraint("key"),
    CheckConstraint("tokens >= 0 and tokens <= burst", name="tokens"),
)

alert = Table(
    "alert",
    metadata,
    identity("alert_id"),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("fix", Text),
    moment("opened_at", default=True),
    moment("last_seen_at", default=True),
    moment("notified_at"),
    moment("resolved_at"),
    Index("alert_open_uq", "kind", "subject", unique=True, postgresql_where=text("resolved_at is null")),
)

audit = Table(
    "audit",
    metadata,
    identity("audit_id"),
    moment("at", default=True),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    document("detail"),
    Index("audit_at_ix", "at"),
)
