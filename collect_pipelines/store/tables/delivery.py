"""Integrations, the batches they deliver, and the exceptions."""

from sqlalchemy import (
    ARRAY,
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

__all__ = [
    "allocation",
    "allocation_scope",
    "backfill",
    "batch",
    "dead_letter",
    "integration",
    "integration_memory",
    "journal",
    "opt_out",
    "quarantine",
    "reconciliation",
]

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
    document("mapping"),
    Column("language", Text),
    Column("state", Text, nullable=False, server_default="active"),
    # Code of the problem it is blocked by, e.g. `google_sheets.not_shared`.
    Column("problem", Text),
    Column("reason", Text),
    Column("fix", Text),
    # What a person should know although it goes on: [{"code", "message", "fix", "since"}].
    Column("notices", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    # Its share of a quota, compared with others that wait for the same.
    Column("weight", Float, nullable=False, server_default=text("1")),
    Column("cursor", BigInteger, nullable=False, server_default=ZERO),
    Column("delivered", BigInteger, nullable=False, server_default=ZERO),
    Column("filtered", BigInteger, nullable=False, server_default=ZERO),
    Column("quarantined", BigInteger, nullable=False, server_default=ZERO),
    Column("dead_lettered", BigInteger, nullable=False, server_default=ZERO),
    Column("erased", BigInteger, nullable=False, server_default=ZERO),
    # Behind the cursor and still to be sent: of a backfill, or set aside for an attempt of its own. Pending like what is before it.
    Column("behind", BigInteger, nullable=False, server_default=ZERO),
    # Where the cursor stood at the beginning: everything up to here was filtered by `start`, unless a backfill sent it since.
    Column("start_position", BigInteger, nullable=False, server_default=ZERO),
    # Attempts in a row that brought nothing forward.
    Column("failures", Integer, nullable=False, server_default=ZERO),
    # Most rows of the next batch, while a response that the receiver refuses is being singled out.
    Column("batch_rows", Integer),
    moment("next_attempt_at"),
    moment("created_at", default=True),
    UniqueConstraint("organization_id", "name"),
    one_of("state", "active", "paused", "blocked"),
    # Promise 4: a row for which the sum does not hold can't be stored.
    CheckConstraint("delivered + filtered + quarantined + dead_lettered + erased + behind = cursor", name="accounted"),
    CheckConstraint(
        "delivered >= 0 and filtered >= 0 and quarantined >= 0 and dead_lettered >= 0 and erased >= 0 and behind >= 0", name="counters"
    ),
    CheckConstraint("batch_rows >= 1", name="batch_rows"),
    CheckConstraint("weight > 0 and weight <= 1000", name="weight"),
)

backfill = Table(
    "backfill",
    metadata,
    identity("backfill_id"),
    Column("integration_id", BigInteger, ForeignKey(integration.c.integration_id), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("from_position", BigInteger, nullable=False),
    Column("to_position", BigInteger, nullable=False),
    # Only these positions of the range; null: all.
    Column("positions", ARRAY(BigInteger)),
    # Everything of the range before this position is settled.
    Column("next_position", BigInteger, nullable=False),
    Column("state", Text, nullable=False, server_default="active"),
    Column("delivered", BigInteger, nullable=False, server_default=ZERO),
    Column("filtered", BigInteger, nullable=False, server_default=ZERO),
    Column("quarantined", BigInteger, nullable=False, server_default=ZERO),
    Column("dead_lettered", BigInteger, nullable=False, server_default=ZERO),
    Column("behind", BigInteger, nullable=False, server_default=ZERO),
    # Spent on its batches, waits not included.
    Column("seconds", Float, nullable=False, server_default=ZERO),
    Column("created_by", Text, nullable=False),
    moment("created_at", default=True),
    moment("finished_at"),
    one_of("purpose", "backfill", "replay"),
    one_of("state", "active", "paused", "cancelled", "done"),
    CheckConstraint("1 <= from_position and from_position <= to_position", name="range"),
    CheckConstraint("next_position between from_position and to_position + 1", name="next_position"),
    Index("backfill_unfinished_ix", "integration_id", "backfill_id", postgresql_where=text("state in ('active', 'paused')")),
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
    Column("purpose", Text, nullable=False, server_default="live"),
    Column("backfill_id", BigInteger, ForeignKey(backfill.c.backfill_id)),
    # Only these positions of the range; null: all.
    Column("positions", ARRAY(BigInteger)),
    # How its rows are made from the log, as it was when the batch was planned; null once it is closed.
    Column("mapping", JSONB),
    # How its attempts ended: [{"at", "outcome", "error", "seconds"}], the last 20.
    Column("history", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
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
    Column("behind", Integer, nullable=False, server_default=ZERO),
    Column("api_calls", Integer, nullable=False, server_default=ZERO),
    Column("sent_bytes", BigInteger, nullable=False, server_default=ZERO),
    Column("seconds", Float, nullable=False, server_default=ZERO),
    Column("quota_wait_seconds", Float, nullable=False, server_default=ZERO),
    moment("planned_at", default=True),
    moment("last_attempt_at"),
    moment("landed_at"),
    PrimaryKeyConstraint("integration_id", "batch_no"),
    one_of("state", "planned", "sending", "landed", "parked", "replaced"),
    one_of("purpose", "live", "retry", "backfill", "replay"),
    CheckConstraint("1 <= from_position and from_position <= to_position", name="range"),
    CheckConstraint(
        "state in ('planned', 'sending', 'replaced') or delivered + filtered + quarantined + dead_lettered + erased + behind"
        " = coalesce(cardinality(positions), to_position - from_position + 1)",
        name="accounted",
    ),
    # Promise 5: one batch at a time, so that a crash leaves exactly one to resume.
    Index("batch_open_uq", "integration_id", unique=True, postgresql_where=text("state in ('planned', 'sending')")),
    # Where did a response go: the batch that covers its position.
    Index("batch_range_ix", "integration_id", "to_position", postgresql_where=text("purpose = 'live' and state <> 'replaced'")),
    Index("batch_again_ix", "integration_id", "to_position", postgresql_where=text("purpose <> 'live' or state = 'replaced'")),
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
    # True when the receiver may have had it all the same.
    Column("unknown", Boolean, nullable=False, server_default=false()),
    Column("state", Text, nullable=False, server_default="open"),
    # Attempts of its own, after it was set aside.
    Column("attempts", Integer, nullable=False, server_default=ZERO),
    moment("next_attempt_at"),
    moment("created_at", default=True),
    moment("decided_at"),
    Column("decided_by", Text),
    PrimaryKeyConstraint("integration_id", "position"),
    ForeignKeyConstraint(["integration_id", "batch_no"], [batch.c.integration_id, batch.c.batch_no]),
    # `waiting` is pending and tried again by itself; `open` waits for a person.
    one_of("state", "waiting", "open", "redelivered", "discarded", "superseded"),
    Index("dead_letter_waiting_ix", "integration_id", "next_attempt_at", postgresql_where=text("state = 'waiting'")),
    Index("dead_letter_open_ix", "integration_id", "position", postgresql_where=text("state = 'open'")),
)

journal = Table(
    "journal",
    metadata,
    Column("integration_id", BigInteger, ForeignKey(integration.c.integration_id), nullable=False),
    Column("key", Text, nullable=False),
    Column("state", Text, nullable=False),
    # The receiver's own name for the effect.
    Column("reference", Text),
    # Whom it concerns, in a form that tells nobody who that is.
    Column("subject", Text),
    document("detail"),
    moment("created_at", default=True),
    moment("updated_at", default=True),
    PrimaryKeyConstraint("integration_id", "key"),
    Index("journal_reference_ix", "integration_id", "reference", postgresql_where=text("reference is not null")),
    Index("journal_subject_ix", "integration_id", "subject", "created_at"),
    Index("journal_created_at_ix", "integration_id", "created_at"),
)

reconciliation = Table(
    "reconciliation",
    metadata,
    identity("reconciliation_id"),
    Column("integration_id", BigInteger, ForeignKey(integration.c.integration_id), nullable=False),
    # Everything delivered up to this position was compared.
    Column("through_position", BigInteger, nullable=False),
    Column("state", Text, nullable=False, server_default="running"),
    Column("error", Text),
    Column("expected", BigInteger, nullable=False, server_default=ZERO),
    Column("found", BigInteger, nullable=False, server_default=ZERO),
    Column("missing", BigInteger, nullable=False, server_default=ZERO),
    # Of the missing ones, those that a setting leaves to the people who deleted them.
    Column("respected", BigInteger, nullable=False, server_default=ZERO),
    Column("duplicated", BigInteger, nullable=False, server_default=ZERO),
    # Rows whose id no response of the form has, or none that was sent there.
    Column("strange", BigInteger, nullable=False, server_default=ZERO),
    Column("stale", BigInteger, nullable=False, server_default=ZERO),
    Column("repaired", BigInteger, nullable=False, server_default=ZERO),
    # The first differences of each kind: [{"kind", "response_id", "position", "expected", "found", "place"}].
    Column("differences", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    moment("started_at", default=True),
    moment("finished_at"),
    one_of("state", "running", "equal", "different", "failed"),
    Index("reconciliation_integration_ix", "integration_id", "reconciliation_id"),
)

opt_out = Table(
    "opt_out",
    metadata,
    Column("organization_id", BigInteger, ForeignKey(organization.c.organization_id), nullable=False),
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("source", Text, nullable=False),
    moment("created_at", default=True),
    PrimaryKeyConstraint("organization_id", "channel", "address"),
)
