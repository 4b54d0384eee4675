"""What processes share: leases, quota, secrets, alerts, and who changed what."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Float, ForeignKey, Index, LargeBinary, PrimaryKeyConstraint, Table, Text, text

from collect_pipelines.store.tables.base import document, identity, metadata, moment
from collect_pipelines.store.tables.intake import organization

__all__ = ["alert", "audit", "lease", "quota", "secret"]

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

secret = Table(
    "secret",
    metadata,
    Column("organization_id", BigInteger, ForeignKey(organization.c.organization_id), nullable=False),
    Column("name", Text, nullable=False),
    # Which key of the key file opens it.
    Column("key_id", Text, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    moment("created_at", default=True),
    moment("changed_at", default=True),
    PrimaryKeyConstraint("organization_id", "name"),
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
