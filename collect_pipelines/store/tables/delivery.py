"""Integrations, the batches they deliver, and the exceptions."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from collect_pipelines.store.tables.base import document, identity, metadata, moment, one_of
from collect_pipelines.store.tables.intake import form, organization

__all__ = ["allocation", "allocation_scope", "batch", "dead_letter", "integration", "integration_memory", "quarantine"]

ZERO = text("0")

integration = Table(
    "integration",
    metadata,
    identity("integration_id"),
    Column("organization_id", BigInteger, ForeignKey(organization.c.organization_id), nullable=False),
    Column("form_id", BigInteger, ForeignKey(form.c.form_id), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    document("config"),
    Column("filter", JSONB),
    Column("language", Text),
    Column("state", Text, nullable=False, server_default="active"),
    Column("reason", Text),
    Column("fix", Text),
    Column("cursor", BigInteger, nullable=False, server_default=ZERO),
    Column("delivered", BigInteger, nullable=False, server_default=ZERO),
    Column("filtered", BigInteger, nullable=False, server_default=ZERO),
    Column("quarantined", BigInteger, nullable=False, server_default=ZERO),
    Column("dead_lettered", BigInteger, nullable=False, server_default=ZERO),
    Column("erased", BigInteger, nullable=False, server_default=ZERO),
    moment("next_attempt_at"),
    moment("created_at", default=True),
    UniqueConstraint("organization_id", "name"),
    one_of("state", "active", "paused", "blocked"),
    # Promise 4: a row for which the sum does not hold can't be stored.
    CheckConstraint("delivered + filtered + quarantined + dead_lettered + erased = cursor", name="accounted"),
    CheckConstraint("delivered >= 0 and filtered >= 0 and quarantined >= 0 and dead_lettered >= 0 and erased >= 0", name="counters"),
)

integration_memory = Table(
    "integration_memory",
    metadata,
    Column("integration_id", BigInteger, ForeignKey(integration.c.integration_id), nullable=False),
    Column("name", Text, nullable=False),
    Column("value", JSONB, nullable=False),
    moment("updated_at", default=True),
    PrimaryKeyConstraint("integration_id", "name"),
)

allocation_scope = Table(
    "allocation_scope",
    metadata,
    Column("scope", Text, nullable=False),
    Column("last", BigInteger, nullable=False, server_default=ZERO),
    PrimaryKeyConstraint("scope"),
)

allocation = Table(
    "allocation",
    metadata,
    Column("scope", Text, ForeignKey(allocation_scope.c.scope), nullable=False),
    Column("name", Text, nullable=False),
    Column("number", BigInteger, nullable=False),
    PrimaryKeyConstraint("scope", "name"),
    UniqueConstraint("scope", "number"),
)

batch = Table(
    "batch",
    metadata,
    Column("integration_id", BigInteger, ForeignKey(integration.c.integration_id), nullable=False),
    Column("batch_no", BigInteger, nullable=False),
    Column("from_position", BigInteger, nullable=False),
    Column("to_position", BigInteger, nullable=False),
    Column("form_version", Integer, nullable=False),
    Column("digest", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="planned"),
    Column("epoch", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=ZERO),
    # True once an attempt ended without a clear answer: the receiver may hold the rows already.
    Column("unknown", Boolean, nullable=False, server_default=false()),
    Column("error", Text),
    Column("rows", Integer, nullable=False, server_default=ZERO),
    Column("delivered", Integer, nullable=False, server_default=ZERO),
    Column("filtered", Integer, nullable=False, server_default=ZERO),
    Column("quarantined", Integer, nullable=False, server_default=ZERO),
    Column("dead_lettered", Integer, nullable=False, server_default=ZERO),
    Column("erased", Integer, nullable=False, server_default=ZERO),
    Column("api_calls", Integer, nullable=False, server_default=ZERO),
    Column("sent_bytes", BigInteger, nullable=False, server_default=ZERO),
    Column("seconds", Float, nullable=False, server_default=ZERO),
    Column("quota_wait_seconds", Float, nullable=False, server_default=ZERO),
    moment("planned_at", default=True),
    moment("last_attempt_at"),
    moment("landed_at"),
    PrimaryKeyConstraint("integration_id", "batch_no"),
    one_of("state", "planned", "sending", "landed", "parked"),
    CheckConstraint("1 <= from_position and from_position <= to_position", name="range"),
    CheckConstraint(
        "state in ('planned', 'sending') or delivered + filtered + quarantined + dead_lettered + erased = to_position - from_position + 1",
        name="accounted",
    ),
    # Promise 5: one batch at a time, so that a crash leaves exactly one to resume.
    Index("batch_open_uq", "integration_id", unique=True, postgresql_where=text("state in ('planned', 'sending')")),
    # Where did a response go: the batch that covers its position.
    Index("batch_range_ix", "integration_id", "to_position"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("form_id", BigInteger, ForeignKey(form.c.form_id), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("response_id", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("reasons", JSONB, nullable=False),
    Column("state", Text, nullable=False, server_default="held"),
    moment("created_at", default=True),
    moment("decided_at"),
    Column("decided_by", Text),
    Column("released_position", BigInteger),
    PrimaryKeyConstraint("form_id", "position"),
    one_of("state", "held", "released", "discarded"),
    Index("quarantine_held_ix", "form_id", "position", postgresql_where=text("state = 'held'")),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("integration_id", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("batch_no", BigInteger, nullable=False),
    Column("response_id", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    moment("created_at", default=True),
    moment("decided_at"),
    Column("decided_by", Text),
    PrimaryKeyConstraint("integration_id", "position"),
    ForeignKeyConstraint(["integration_id", "batch_no"], [batch.c.integration_id, batch.c.batch_no]),
    one_of("state", "open", "redelivered", "discarded"),
)
