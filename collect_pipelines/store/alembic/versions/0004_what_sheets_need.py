"""Fair shares of a quota, notices and named problems, connected accounts, and what comparisons with a destination found."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

INTEGRATIONS = """
alter table collect.integration
    add column problem text,
    add column notices jsonb default '[]'::jsonb not null,
    add column weight double precision default 1 not null,
    add constraint integration_weight_ck check (weight > 0 and weight <= 1000);

create table collect.reconciliation (
    reconciliation_id bigint generated always as identity,
    integration_id bigint not null,
    through_position bigint not null,
    state text default 'running' not null,
    error text,
    expected bigint default 0 not null,
    found bigint default 0 not null,
    missing bigint default 0 not null,
    respected bigint default 0 not null,
    duplicated bigint default 0 not null,
    strange bigint default 0 not null,
    stale bigint default 0 not null,
    repaired bigint default 0 not null,
    differences jsonb default '[]'::jsonb not null,
    started_at timestamptz default clock_timestamp() not null,
    finished_at timestamptz,
    constraint reconciliation_pk primary key (reconciliation_id),
    constraint reconciliation_state_ck check (state in ('running', 'equal', 'different', 'failed')),
    constraint reconciliation_integration_id_fk foreign key (integration_id) references collect.integration (integration_id)
);
create index reconciliation_integration_ix on collect.reconciliation (integration_id, reconciliation_id);
"""

QUOTA = """
alter table collect.quota
    add column taken bigint default 0 not null,
    add column refused bigint default 0 not null,
    add column last_refused_at timestamptz,
    add column paused_until timestamptz,
    add column per_minute integer,
    add column recent integer[] default '{}'::integer[] not null,
    add column recent_second bigint default 0 not null,
    add column served double precision default 0 not null,
    add column served_background double precision default 0 not null;

create table collect.quota_ticket (
    integration_id bigint not null,
    background boolean not null,
    keys text[] not null,
    costs integer[] not null,
    start double precision not null,
    finish double precision not null,
    overtaken integer default 0 not null,
    begun boolean default false not null,
    asked_at timestamptz not null,
    due_at timestamptz not null,
    constraint quota_ticket_pk primary key (integration_id, background)
);
"""

CONNECTIONS = """
create table collect.connection (
    connection_id bigint generated always as identity,
    organization_id bigint not null,
    name text not null,
    kind text not null,
    account text not null,
    scopes text[] default '{}'::text[] not null,
    secret text not null,
    state text default 'connected' not null,
    reason text,
    created_at timestamptz default clock_timestamp() not null,
    changed_at timestamptz default clock_timestamp() not null,
    created_by text not null,
    constraint connection_pk primary key (connection_id),
    constraint connection_organization_id_name_uq unique (organization_id, name),
    constraint connection_kind_ck check (kind in ('google_user', 'google_service_account')),
    constraint connection_state_ck check (state in ('connected', 'reconnect_needed')),
    constraint connection_organization_id_fk foreign key (organization_id) references collect.organization (organization_id)
);

create table collect.connection_request (
    ticket bytea not null,
    organization_id bigint not null,
    name text not null,
    created_by text not null,
    created_at timestamptz default clock_timestamp() not null,
    expires_at timestamptz not null,
    oauth_state bytea,
    browser bytea,
    key_id text,
    nonce bytea,
    sealed bytea,
    used_at timestamptz,
    constraint connection_request_pk primary key (ticket),
    constraint connection_request_organization_id_fk foreign key (organization_id) references collect.organization (organization_id)
);
create unique index connection_request_oauth_state_uq on collect.connection_request (oauth_state) where oauth_state is not null;
"""


def upgrade() -> None:
    """Adds columns and tables; nothing that is stored changes."""
    for statements in (INTEGRATIONS, QUOTA, CONNECTIONS):
        op.get_bind().exec_driver_sql(statements)
