"""The log of responses, its readers, and what processes share."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Hash partitions keep each index small enough to stay in memory at 10 million responses; more of them cost planning time.
RESPONSE_PARTITIONS = 8

INTAKE = """
create table collect.organization (
    organization_id bigint generated always as identity,
    slug text not null,
    title text not null,
    metadata jsonb default '{}'::jsonb not null,
    created_at timestamptz default clock_timestamp() not null,
    constraint organization_pk primary key (organization_id),
    constraint organization_slug_uq unique (slug)
);

create table collect.api_key (
    key_id bigint generated always as identity,
    organization_id bigint not null,
    name text not null,
    prefix text not null,
    digest bytea not null,
    scopes text[] not null,
    created_at timestamptz default clock_timestamp() not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz,
    constraint api_key_pk primary key (key_id),
    constraint api_key_scopes_ck check (scopes <@ array['ingest', 'read', 'admin'] and cardinality(scopes) > 0),
    constraint api_key_organization_id_fk foreign key (organization_id) references collect.organization (organization_id),
    constraint api_key_digest_uq unique (digest)
);

create table collect.form (
    form_id bigint generated always as identity,
    organization_id bigint not null,
    slug text not null,
    title jsonb not null,
    metadata jsonb default '{}'::jsonb not null,
    state text default 'open' not null,
    head bigint default 0 not null,
    validated_through bigint default 0 not null,
    created_at timestamptz default clock_timestamp() not null,
    constraint form_pk primary key (form_id),
    constraint form_organization_id_slug_uq unique (organization_id, slug),
    constraint form_state_ck check (state in ('open', 'closed', 'archived')),
    constraint form_positions_ck check (0 <= validated_through and validated_through <= head),
    constraint form_organization_id_fk foreign key (organization_id) references collect.organization (organization_id)
)
with (fillfactor = 50);

create table collect.form_version (
    form_id bigint not null,
    version integer not null,
    definition json not null,
    content_hash text not null,
    published_at timestamptz default clock_timestamp() not null,
    metadata jsonb default '{}'::jsonb not null,
    constraint form_version_pk primary key (form_id, version),
    constraint form_version_version_ck check (version >= 1),
    constraint form_version_form_id_fk foreign key (form_id) references collect.form (form_id)
);

create table collect.question (
    form_id bigint not null,
    version integer not null,
    key text not null,
    ordinal integer not null,
    parent text,
    type text not null,
    labels json not null,
    choices json not null,
    constraints jsonb default '{}'::jsonb not null,
    required boolean not null,
    pii text not null,
    retired date,
    metadata jsonb default '{}'::jsonb not null,
    constraint question_pk primary key (form_id, version, key),
    constraint question_form_id_version_fk foreign key (form_id, version) references collect.form_version (form_id, version),
    constraint question_form_id_version_ordinal_uq unique (form_id, version, ordinal)
);

create table collect.response (
    form_id bigint not null,
    position bigint not null,
    response_id text not null,
    revision integer not null,
    operation text not null,
    version integer not null,
    submitted_at timestamptz,
    received_at timestamptz not null,
    source text not null,
    respondent text,
    unique_key text,
    content_hash bytea not null,
    answers jsonb not null,
    answer_metadata jsonb default '{}'::jsonb not null,
    flags jsonb default '[]'::jsonb not null,
    metadata jsonb default '{}'::jsonb not null,
    constraint response_pk primary key (form_id, position),
    constraint response_form_id_response_id_revision_uq unique (form_id, response_id, revision),
    constraint response_operation_ck check (operation in ('create', 'edit', 'delete', 'release')),
    constraint response_numbers_ck check (position >= 1 and revision >= 1)
)
partition by hash (form_id);
create index response_unique_key_ix on collect.response (form_id, unique_key) where unique_key is not null;
"""

DELIVERY = """
create table collect.integration (
    integration_id bigint generated always as identity,
    organization_id bigint not null,
    form_id bigint not null,
    name text not null,
    kind text not null,
    config jsonb default '{}'::jsonb not null,
    filter jsonb,
    language text,
    state text default 'active' not null,
    reason text,
    fix text,
    cursor bigint default 0 not null,
    delivered bigint default 0 not null,
    filtered bigint default 0 not null,
    quarantined bigint default 0 not null,
    dead_lettered bigint default 0 not null,
    erased bigint default 0 not null,
    next_attempt_at timestamptz,
    created_at timestamptz default clock_timestamp() not null,
    constraint integration_pk primary key (integration_id),
    constraint integration_organization_id_name_uq unique (organization_id, name),
    constraint integration_state_ck check (state in ('active', 'paused', 'blocked')),
    constraint integration_accounted_ck check (delivered + filtered + quarantined + dead_lettered + erased = cursor),
    constraint integration_counters_ck check (delivered >= 0 and filtered >= 0 and quarantined >= 0 and dead_lettered >= 0 and erased >= 0),
    constraint integration_organization_id_fk foreign key (organization_id) references collect.organization (organization_id),
    constraint integration_form_id_fk foreign key (form_id) references collect.form (form_id)
);
create index integration_form_id_ix on collect.integration (form_id);

create table collect.integration_memory (
    integration_id bigint not null,
    name text not null,
    value jsonb not null,
    updated_at timestamptz default clock_timestamp() not null,
    constraint integration_memory_pk primary key (integration_id, name),
    constraint integration_memory_integration_id_fk foreign key (integration_id) references collect.integration (integration_id)
);

create table collect.allocation_scope (
    scope text not null,
    last bigint default 0 not null,
    constraint allocation_scope_pk primary key (scope)
);

create table collect.allocation (
    scope text not null,
    name text not null,
    number bigint not null,
    constraint allocation_pk primary key (scope, name),
    constraint allocation_scope_number_uq unique (scope, number),
    constraint allocation_scope_fk foreign key (scope) references collect.allocation_scope (scope)
);

create table collect.batch (
    integration_id bigint not null,
    batch_no bigint not null,
    from_position bigint not null,
    to_position bigint not null,
    form_version integer not null,
    digest text not null,
    state text default 'planned' not null,
    epoch bigint not null,
    attempts integer default 0 not null,
    unknown boolean default false not null,
    error text,
    rows integer default 0 not null,
    delivered integer default 0 not null,
    filtered integer default 0 not null,
    quarantined integer default 0 not null,
    dead_lettered integer default 0 not null,
    erased integer default 0 not null,
    api_calls integer default 0 not null,
    sent_bytes bigint default 0 not null,
    seconds double precision default 0 not null,
    quota_wait_seconds double precision default 0 not null,
    planned_at timestamptz default clock_timestamp() not null,
    last_attempt_at timestamptz,
    landed_at timestamptz,
    constraint batch_pk primary key (integration_id, batch_no),
    constraint batch_state_ck check (state in ('planned', 'sending', 'landed', 'parked')),
    constraint batch_range_ck check (1 <= from_position and from_position <= to_position),
    constraint batch_accounted_ck check (state in ('planned', 'sending')
        or delivered + filtered + quarantined + dead_lettered + erased = to_position - from_position + 1),
    constraint batch_integration_id_fk foreign key (integration_id) references collect.integration (integration_id)
);
create unique index batch_open_uq on collect.batch (integration_id) where state in ('planned', 'sending');
create index batch_range_ix on collect.batch (integration_id, to_position);

create table collect.quarantine (
    form_id bigint not null,
    position bigint not null,
    response_id text not null,
    revision integer not null,
    reasons jsonb not null,
    state text default 'held' not null,
    created_at timestamptz default clock_timestamp() not null,
    decided_at timestamptz,
    decided_by text,
    released_position bigint,
    constraint quarantine_pk primary key (form_id, position),
    constraint quarantine_state_ck check (state in ('held', 'released', 'discarded')),
    constraint quarantine_form_id_fk foreign key (form_id) references collect.form (form_id)
);
create index quarantine_held_ix on collect.quarantine (form_id, position) where state = 'held';

create table collect.dead_letter (
    integration_id bigint not null,
    position bigint not null,
    batch_no bigint not null,
    response_id text not null,
    revision integer not null,
    reason text not null,
    state text default 'open' not null,
    created_at timestamptz default clock_timestamp() not null,
    decided_at timestamptz,
    decided_by text,
    constraint dead_letter_pk primary key (integration_id, position),
    constraint dead_letter_integration_id_batch_no_fk foreign key (integration_id, batch_no)
        references collect.batch (integration_id, batch_no),
    constraint dead_letter_state_ck check (state in ('open', 'redelivered', 'discarded'))
);
"""

COORDINATION = """
create table collect.lease (
    name text not null,
    owner text not null,
    epoch bigint not null,
    seconds double precision not null,
    expires_at timestamptz not null,
    constraint lease_pk primary key (name)
);

create table collect.quota (
    key text not null,
    tokens double precision not null,
    burst double precision not null,
    rate double precision not null,
    refilled_at timestamptz not null,
    slow_until timestamptz,
    constraint quota_pk primary key (key),
    constraint quota_tokens_ck check (tokens >= 0 and tokens <= burst)
);

create table collect.alert (
    alert_id bigint generated always as identity,
    kind text not null,
    subject text not null,
    message text not null,
    fix text,
    opened_at timestamptz default clock_timestamp() not null,
    last_seen_at timestamptz default clock_timestamp() not null,
    notified_at timestamptz,
    resolved_at timestamptz,
    constraint alert_pk primary key (alert_id)
);
create unique index alert_open_uq on collect.alert (kind, subject) where resolved_at is null;

create table collect.audit (
    audit_id bigint generated always as identity,
    at timestamptz default clock_timestamp() not null,
    actor text not null,
    action text not null,
    subject text not null,
    detail jsonb default '{}'::jsonb not null,
    constraint audit_pk primary key (audit_id)
);
create index audit_at_ix on collect.audit (at);
"""

ANSWER_VIEW = """
create view collect.answer as
select r.form_id, r.position, r.response_id, r.revision, a.key as question, a.value, r.answer_metadata -> a.key as metadata
from collect.response r cross join lateral jsonb_each(r.answers) a;
"""


def upgrade() -> None:
    """Makes every table of the first version; the schema itself is there already."""
    for statements in (INTAKE, DELIVERY, COORDINATION, ANSWER_VIEW):
        op.get_bind().exec_driver_sql(statements)
    for number in range(RESPONSE_PARTITIONS):
        op.get_bind().exec_driver_sql(
            f"create table collect.response_{number} partition of collect.response"
            f" for values with (modulus {RESPONSE_PARTITIONS}, remainder {number})"
        )
