"""What checks and validation remember: reference lists, attempts that were sent back, fingerprints, values seen, batch profiles."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from collect_pipelines.store.tables.base import identity, metadata, moment
from collect_pipelines.store.tables.intake import form, organization

__all__ = ["batch_profile", "fingerprint", "reference_list", "reference_row", "rejection", "unique_progress", "unique_value"]

reference_list = Table(
    "reference_list",
    metadata,
    identity("list_id"),
    Column("organization_id", BigInteger, ForeignKey(organization.c.organization_id), nullable=False),
    # What checks ask for, e.g. `slang`; an organization may fill it from several sources.
    Column("name", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("licence", Text, nullable=False),
    # Counts every change. An emptied list keeps its row, so that the sum over an organization never goes back.
    Column("version", BigInteger, nullable=False, server_default=text("1")),
    Column("rows", Integer, nullable=False, server_default=text("0")),
    moment("imported_at", default=True),
    UniqueConstraint("organization_id", "name", "source"),
    CheckConstraint("rows >= 0 and version >= 1", name="numbers"),
)

reference_row = Table(
    "reference_row",
    metadata,
    Column("list_id", BigInteger, ForeignKey(reference_list.c.list_id), nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("row", JSONB, nullable=False),
    PrimaryKeyConstraint("list_id", "ordinal"),
)

rejection = Table(
    "rejection",
    metadata,
    identity("rejection_id"),
    Column("form_id", BigInteger, ForeignKey(form.c.form_id), nullable=False),
    Column("response_id", Text, nullable=False),
    moment("attempted_at", nullable=False),
    Column("version", Integer, nullable=False),
    Column("operation", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("key_id", BigInteger),
    # Promise 10: codes, questions and labels; never an answer.
    Column("findings", JSONB, nullable=False),
    Index("rejection_response_ix", "form_id", "response_id", "attempted_at"),
    Index("rejection_attempted_at_ix", "attempted_at"),
)

fingerprint = Table(
    "fingerprint",
    metadata,
    Column("form_id", BigInteger, ForeignKey(form.c.form_id), nullable=False),
    Column("name", Text, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("response_id", Text, nullable=False),
    moment("received_at", nullable=False),
    moment("expires_at", nullable=False),
    # The response before the value: all that is known of a deleted one is found at once.
    PrimaryKeyConstraint("form_id", "response_id", "name", "value"),
    Index("fingerprint_received_at_ix", "form_id", "name", "value", "received_at"),
    Index("fingerprint_expires_at_ix", "expires_at"),
)

unique_value = Table(
    "unique_value",
    metadata,
    Column("form_id", BigInteger, ForeignKey(form.c.form_id), nullable=False),
    Column("rule", Text, nullable=False),
    Column("value", LargeBinary, nullable=False),
    Column("response_id", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    # The first holder of a value is found at once, however many hold it; a position is of one response.
    PrimaryKeyConstraint("form_id", "rule", "value", "position"),
    Index("unique_value_response_ix", "form_id", "response_id"),
)

unique_progress = Table(
    "unique_progress",
    metadata,
    Column("form_id", BigInteger, ForeignKey(form.c.form_id), nullable=False),
    Column("rule", Text, nullable=False),
    Column("through_position", BigInteger, nullable=False),
    PrimaryKeyConstraint("form_id", "rule"),
)

batch_profile = Table(
    "batch_profile",
    metadata,
    Column("form_id", BigInteger, ForeignKey(form.c.form_id), nullable=False),
    Column("through_position", BigInteger, nullable=False),
    Column("rows", Integer, nullable=False),
    moment("at", default=True),
    Column("profile", JSONB, nullable=False),
    PrimaryKeyConstraint("form_id", "through_position"),
)
