"""Mappings, backfills, batches that are replaced or sent again, letters that wait, the journal, opt-outs and sealed secrets."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

INTEGRATIONS = """
alter table collect.integration
    drop column filter,
    add column mapping jsonb default '{}'::jsonb not null,
    add column behind bigint default 0 not null,
    add column start_position bigint default 0 not null,
    add column failures integer default 0 not null,
    add column batch_rows integer,
    drop constraint integration_accounted_ck,
    drop constraint integration_counters_ck,
    add constraint integration_accounted_ck
        check (delivered + filtered + quarantined + dead_lettered + erased + behind = cursor),
    add constraint integration_counters_ck
        check (delivered >= 0 and filtered >= 0 and quarantined >= 0 and dead_lettered >= 0 and erased >= 0 and behind >= 0),
    add constraint integration_batch_rows_ck check (batch_rows >= 1);

create table collect.backfill (
    backfill_id bigint generated always as identity,
    integration_id bigint not null,
    purpose text not null,
    from_position bigint not null,
    to_position bigint not null,
    positions bigint[],
    next_position bigint not null,
    state text default 'active' not null,
    delivered bigint default 0 not null,
    filtered bigint default 0 not null,
    quarantined bigint default 0 not null,
    dead_lettered bigint default 0 not null,
    behind bigint default 0 not null,
    seconds double precision default 0 not null,
    created_by text not null,
    created_at timestamptz default clock_timestamp() not null,
    finished_at timestamptz,
    constraint backfill_pk primary key (backfill_id),
    constraint backfill_purpose_ck check (purpose in ('backfill', 'replay')),
    constraint backfill_state_ck check (state in ('active', 'paused', 'cancelled', 'done')),
    constraint backfill_range_ck check (1 <= from_position and from_position <= to_position),
    constraint backfill_next_position_ck check (next_position between from_position and to_position + 1),
    constraint backfill_integration_id_fk foreign key (integration_id) references collect.integration (integration_id)
);
create index backfill_unfinished_ix on collect.backfill (integration_id, backfill_id) where state in ('active', 'paused');
"""

BATCHES = """
alter table collect.batch
    add column purpose text default 'live' not null,
    add column backfill_id bigint,
    add column positions bigint[],
    add column mapping jsonb,
    add column history jsonb default '[]'::jsonb not null,
    add column behind integer default 0 not null,
    drop constraint batch_state_ck,
    drop constraint batch_accounted_ck,
    add constraint batch_state_ck check (state in ('planned', 'sending', 'landed', 'parked', 'replaced')),
    add constraint batch_purpose_ck check (purpose in ('live', 'retry', 'backfill', 'replay')),
    add constraint batch_accounted_ck check (state in ('planned', 'sending', 'replaced')
        or delivered + filtered + quarantined + dead_lettered + erased + behind
            = coalesce(cardinality(positions), to_position - from_position + 1)),
    add constraint batch_backfill_id_fk foreign key (backfill_id) references collect.backfill (backfill_id);
drop index collect.batch_range_ix;
create index batch_range_ix on collect.batch (integration_id, to_position) where purpose = 'live' and state <> 'replaced';
create index batch_again_ix on collect.batch (integration_id, to_position) where purpose <> 'live' or state = 'replaced';

alter table collect.dead_letter
    add column unknown boolean default false not null,
    add column attempts integer default 0 not null,
    add column next_attempt_at timestamptz,
    drop constraint dead_letter_state_ck,
    add constraint dead_letter_state_ck check (state in ('waiting', 'open', 'redelivered', 'discarded', 'superseded'));
create index dead_letter_waiting_ix on collect.dead_letter (integration_id, next_attempt_at) where state = 'waiting';
create index dead_letter_open_ix on collect.dead_letter (integration_id, position) where state = 'open';
"""

JOURNAL = """
create table collect.journal (
    integration_id bigint not null,
    key text not null,
    state text not null,
    reference text,
    subject text,
    detail jsonb default '{}'::jsonb not null,
    created_at timestamptz default clock_timestamp() not null,
    updated_at timestamptz default clock_timestamp() not null,
    constraint journal_pk primary key (integration_id, key),
    constraint journal_integration_id_fk foreign key (integration_id) references collect.integration (integration_id)
);
create index journal_reference_ix on collect.journal (integration_id, reference) where reference is not null;
create index journal_subject_ix on collect.journal (integration_id, subject, created_at);
create index journal_created_at_ix on collect.journal (integration_id, created_at);

create table collect.opt_out (
    organization_id bigint not null,
    channel text not null,
    address text not null,
    source text not null,
    created_at timestamptz default clock_timestamp() not null,
    constraint opt_out_pk primary key (organization_id, channel, address),
    constraint opt_out_organization_id_fk foreign key (organization_id) references collect.organization (organization_id)
);

create table collect.secret (
    organization_id bigint not null,
    name text not null,
    key_id text not null,
    nonce bytea not null,
    sealed bytea not null,
    created_at timestamptz default clock_timestamp() not null,
    changed_at timestamptz default clock_timestamp() not null,
    constraint secret_pk primary key (organization_id, name),
    constraint secret_organization_id_fk foreign key (organization_id) references collect.organization (organization_id)
);
"""


def upgrade() -> None:
    """Adds columns and tables; what was delivered stays delivered, and what is open goes on."""
    for statements in (INTEGRATIONS, BATCHES, JOURNAL):
        op.get_bind().exec_driver_sql(statements)
