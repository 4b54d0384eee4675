"""Tenants, forms and the log of responses."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from collect_pipelines.store.tables.base import document, identity, metadata, moment, one_of

__all__ = ["api_key", "form", "form_version", "organization", "question", "response"]

organization = Table(
    "organization",
    metadata,
    identity("organization_id"),
    Column("slug", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    document("metadata"),
    moment("created_at", default=True),
)

api_key = Table(
    "api_key",
    metadata,
    identity("key_id"),
    Column("organization_id", BigInteger, ForeignKey(organization.c.organization_id), nullable=False),
    Column("name", Text, nullable=False),
    # The first characters, so that a person can tell keys apart; the key itself is kept nowhere.
    Column("prefix", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("scopes", ARRAY(Text), nullable=False),
    moment("created_at", default=True),
    moment("expires_at"),
    moment("revoked_at"),
    moment("last_used_at"),
    CheckConstraint("scopes <@ array['ingest', 'read', 'admin'] and cardinality(scopes) > 0", name="scopes"),
)

form = Table(
    "form",
    metadata,
    identity("form_id"),
    Column("organization_id", BigInteger, ForeignKey(organization.c.organization_id), nullable=False),
    Column("slug", Text, nullable=False),
    Column("title", JSONB, nullable=False),
    document("metadata"),
    Column("state", Text, nullable=False, server_default="open"),
    # Promise 3: last position of the log. Only a transaction that holds this row numbers responses.
    Column("head", BigInteger, nullable=False, server_default=text("0")),
    Column("validated_through", BigInteger, nullable=False, server_default=text("0")),
    moment("created_at", default=True),
    UniqueConstraint("organization_id", "slug"),
    one_of("state", "open", "closed", "archived"),
    CheckConstraint("0 <= validated_through and validated_through <= head", name="positions"),
    # Every commit updates `head`: room in the page keeps those updates out of the indexes.
    postgresql_with={"fillfactor": "50"},
)

form_version = Table(
    "form_version",
    metadata,
    Column("form_id", BigInteger, ForeignKey(form.c.form_id), nullable=False),
    Column("version", Integer, nullable=False),
    # json, not jsonb: the order of languages and choices is the author's and has a meaning.
    Column("definition", JSON, nullable=False),
    Column("content_hash", Text, nullable=False),
    moment("published_at", default=True),
    document("metadata"),
    PrimaryKeyConstraint("form_id", "version"),
    CheckConstraint("version >= 1", name="version"),
)

question = Table(
    "question",
    metadata,
    Column("form_id", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("key", Text, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("parent", Text),
    Column("type", Text, nullable=False),
    Column("labels", JSON, nullable=False),
    Column("choices", JSON, nullable=False),
    document("constraints"),
    Column("required", Boolean, nullable=False),
    Column("pii", Text, nullable=False),
    Column("retired", Date),
    document("metadata"),
    PrimaryKeyConstraint("form_id", "version", "key"),
    ForeignKeyConstraint(["form_id", "version"], [form_version.c.form_id, form_version.c.version]),
    UniqueConstraint("form_id", "version", "ordinal"),
)

response = Table(
    "response",
    metadata,
    # No foreign key: every insert happens under the lock of its form's row, and a trigger per row would cost a tenth of the rate.
    Column("form_id", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("response_id", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("operation", Text, nullable=False),
    Column("version", Integer, nullable=False),
    moment("submitted_at"),
    moment("received_at", nullable=False),
    Column("source", Text, nullable=False),
    Column("respondent", Text),
    Column("unique_key", Text),
    Column("content_hash", LargeBinary, nullable=False),
    Column("answers", JSONB, nullable=False),
    document("answer_metadata"),
    Column("flags", JSONB, nullable=False, server_default=text("'[]'::jsonb")),
    document("metadata"),
    PrimaryKeyConstraint("form_id", "position"),
    UniqueConstraint("form_id", "response_id", "revision"),
    one_of("operation", "create", "edit", "delete", "release"),
    CheckConstraint("position >= 1 and revision >= 1", name="numbers"),
    Index("response_unique_key_ix", "form_id", "unique_key", postgresql_where=text("unique_key is not null")),
    postgresql_partition_by="HASH (form_id)",
)
