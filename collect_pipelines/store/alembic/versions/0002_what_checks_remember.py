"""Reference lists, attempts that were sent back, fingerprints, values seen, and profiles of batches."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

CHECKS = """
create table collect.reference_list (
    list_id bigint generated always as identity,
    organization_id bigint not null,
    name text not null,
    source text not null,
    licence text not null,
    version bigint default 1 not null,
    rows integer default 0 not null,
    imported_at timestamptz default clock_timestamp() not null,
    constraint reference_list_pk primary key (list_id),
    constraint reference_list_organization_id_name_source_uq unique (organization_id, name, source),
    constraint reference_list_numbers_ck check (rows >= 0 and version >= 1),
    constraint reference_list_organization_id_fk foreign key (organization_id) references collect.organization (organization_id)
);

create table collect.reference_row (
    list_id bigint not null,
    ordinal integer not null,
    row jsonb not null,
    constraint reference_row_pk primary key (list_id, ordinal),
    constraint reference_row_list_id_fk foreign key (list_id) references collect.reference_list (list_id)
);

create table collect.rejection (
    rejection_id bigint generated always as identity,
    form_id bigint not null,
    response_id text not null,
    attempted_at timestamptz not null,
    version integer not null,
    operation text not null,
    source text not null,
    key_id bigint,
    findings jsonb not null,
    constraint rejection_pk primary key (rejection_id),
    constraint rejection_form_id_fk foreign key (form_id) references collect.form (form_id)
);
create index rejection_response_ix on collect.rejection (form_id, response_id, attempted_at);
create index rejection_attempted_at_ix on collect.rejection (attempted_at);

create table collect.fingerprint (
    form_id bigint not null,
    name text not null,
    value bytea not null,
    response_id text not null,
    received_at timestamptz not null,
    expires_at timestamptz not null,
    constraint fingerprint_pk primary key (form_id, response_id, name, value),
    constraint fingerprint_form_id_fk foreign key (form_id) references collect.form (form_id)
);
create index fingerprint_received_at_ix on collect.fingerprint (form_id, name, value, received_at);
create index fingerprint_expires_at_ix on collect.fingerprint (expires_at);
"""

VALIDATION = """
create table collect.unique_value (
    form_id bigint not null,
    rule text not null,
    value bytea not null,
    response_id text not null,
    position bigint not null,
    constraint unique_value_pk primary key (form_id, rule, value, position),
    constraint unique_value_form_id_fk foreign key (form_id) references collect.form (form_id)
);
create index unique_value_response_ix on collect.unique_value (form_id, response_id);

create table collect.unique_progress (
    form_id bigint not null,
    rule text not null,
    through_position bigint not null,
    constraint unique_progress_pk primary key (form_id, rule),
    constraint unique_progress_form_id_fk foreign key (form_id) references collect.form (form_id)
);

create table collect.batch_profile (
    form_id bigint not null,
    through_position bigint not null,
    rows integer not null,
    at timestamptz default clock_timestamp() not null,
    profile jsonb not null,
    constraint batch_profile_pk primary key (form_id, through_position),
    constraint batch_profile_form_id_fk foreign key (form_id) references collect.form (form_id)
);
"""


def upgrade() -> None:
    """Adds the tables; nothing that exists is touched."""
    for statements in (CHECKS, VALIDATION):
        op.get_bind().exec_driver_sql(statements)
