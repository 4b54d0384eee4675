"""What processes share: leases, quota, secrets, alerts, and who changed what."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

from collect_pipelines.store.tables.base import document, identity, metadata, moment, one_of
from collect_pipelines.store.tables.intake import organization

__all__ = ["alert", "audit", "connection", "connection_request", "lease", "quota", "quota_ticket", "secret"]

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
    # The receiver said "too many": nobody gets a token before the first, and it fills at half its rate until the second.
    moment("paused_until"),
    moment("slow_until"),
    # Since the row was made: tokens taken, and how often the receiver said "too many" all the same.
    Column("taken", BigInteger, nullable=False, server_default=text("0")),
    Column("refused", BigInteger, nullable=False, server_default=text("0")),
    moment("last_refused_at"),
    # Most tokens in any sixty seconds, when the receiver counts minutes.
    Column("per_minute", Integer),
    # Tokens by the second they were taken in, the last one being that of `recent_second` (seconds since the epoch).
    Column("recent", ARRAY(Integer), nullable=False, server_default=text("'{}'::integer[]")),
    Column("recent_second", BigInteger, nullable=False, server_default=text("0")),
    # Virtual time of the fair queue, of those with new entries and of those with older ones.
    Column("served", Float, nullable=False, server_default=text("0")),
    Column("served_background", Float, nullable=False, server_default=text("0")),
    PrimaryKeyConstraint("key"),
    CheckConstraint("tokens >= 0 and tokens <= burst", name="tokens"),
)

# Who waits for tokens, or was served last. Not a foreign key: a ticket whose owner does not come back in time is void.
quota_ticket = Table(
    "quota_ticket",
    metadata,
    Column("integration_id", BigInteger, nullable=False),
    # Older entries: they come after everybody's new ones.
    Column("background", Boolean, nullable=False),
    # So many tokens of each of these buckets; none once it was served.
    Column("keys", ARRAY(Text), nullable=False),
    Column("costs", ARRAY(Integer), nullable=False),
    # Virtual times between which its request would be served if all that wait were served at once, each by its weight.
    Column("start", Float, nullable=False),
    Column("finish", Float, nullable=False),
    # So often a request for new entries went before this one for older ones.
    Column("overtaken", Integer, nullable=False, server_default=text("0")),
    # In the middle of a sequence of calls: before everybody.
    Column("begun", Boolean, nullable=False, server_default=false()),
    moment("asked_at", nullable=False),
    # When it was told to come back, or was served.
    moment("due_at", nullable=False),
    PrimaryKeyConstraint("integration_id", "background"),
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

# An account outside that an organization connected, e.g. at Google.
connection = Table(
    "connection",
    metadata,
    identity("connection_id"),
    Column("organization_id", BigInteger, ForeignKey(organization.c.organization_id), nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    # Address of the account.
    Column("account", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    # Name of the organization's sealed secret that holds its credentials.
    Column("secret", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="connected"),
    Column("reason", Text),
    moment("created_at", default=True),
    moment("changed_at", default=True),
    Column("created_by", Text, nullable=False),
    UniqueConstraint("organization_id", "name"),
    one_of("kind", "google_user", "google_service_account"),
    one_of("state", "connected", "reconnect_needed"),
)

# A person was invited to connect an account; the invitation works once.
connection_request = Table(
    "connection_request",
    metadata,
    # SHA-256 of the ticket in the link.
    Column("ticket", LargeBinary, nullable=False),
    Column("organization_id", BigInteger, ForeignKey(organization.c.organization_id), nullable=False),
    Column("name", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    moment("created_at", default=True),
    moment("expires_at", nullable=False),
    # SHA-256 of the state the consent page gives back, and of the cookie of the browser that went there.
    Column("oauth_state", LargeBinary),
    Column("browser", LargeBinary),
    # The PKCE verifier, sealed.
    Column("key_id", Text),
    Column("nonce", LargeBinary),
    Column("sealed", LargeBinary),
    moment("used_at"),
    PrimaryKeyConstraint("ticket"),
    Index("connection_request_oauth_state_uq", "oauth_state", unique=True, postgresql_where=text("oauth_state is not null")),
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
