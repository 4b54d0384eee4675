"""Profiles of validated batches: counts and moments that rules over batches compare with, and no answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, cast, delete, func, select, true
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH

from collect_pipelines.store.forms import form_reference
from collect_pipelines.store.tables import batch_profile, form, form_version, organization

__all__ = ["WARNINGS", "StoredProfile", "batch_warnings", "keep_profile", "recent_profiles"]

WARNINGS = "warnings"
"""Member of a profile: rule to sentence."""


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """What is known of the entries of one batch, which ended at `through_position`."""

    through_position: int
    rows: int
    profile: Mapping[str, Any]


def recent_profiles(connection: Connection, form_id: int, last: int) -> list[StoredProfile]:
    """The form's last batches, newest first."""
    query = (
        select(batch_profile.c.through_position, batch_profile.c.rows, batch_profile.c.profile)
        .where(batch_profile.c.form_id == form_id)
        .order_by(batch_profile.c.through_position.desc())
        .limit(last)
    )
    return [StoredProfile(**row._mapping) for row in connection.execute(query)]


def keep_profile(connection: Connection, form_id: int, profile: StoredProfile, *, instead_of: int | None, keep: int) -> None:
    """
    Adds the newest batch, and forgets all but the last `keep`. Belongs into the transaction that settles the batch.

    instead_of: end of the batch that it continues and replaces.
    """
    mine = batch_profile.c.form_id == form_id
    if instead_of is not None:
        connection.execute(delete(batch_profile).where(mine, batch_profile.c.through_position == instead_of))
    values = {"form_id": form_id, "through_position": profile.through_position, "rows": profile.rows, "profile": dict(profile.profile)}
    connection.execute(batch_profile.insert().values(values))
    newest = select(batch_profile.c.through_position).where(mine).order_by(batch_profile.c.through_position.desc())
    oldest = newest.offset(keep - 1).limit(1).scalar_subquery()
    connection.execute(delete(batch_profile).where(mine, batch_profile.c.through_position < oldest))


def batch_warnings(connection: Connection) -> dict[str, dict[str, str]]:
    """What the newest batch of each form is warned of: rule to sentence, by form; only forms with a warning, and rules they still have."""
    newest = (
        select(batch_profile.c.profile[WARNINGS].label("warnings"))
        .where(batch_profile.c.form_id == form.c.form_id)
        .order_by(batch_profile.c.through_position.desc())
        .limit(1)
        .lateral("newest")
    )
    definition = (
        select(form_version.c.definition)
        .where(form_version.c.form_id == form.c.form_id)
        .order_by(form_version.c.version.desc())
        .limit(1)
        .scalar_subquery()
    )
    names = func.jsonb_path_query_array(cast(definition, JSONB), cast("$.rules[*].name", JSONPATH)).label("names")
    query = (
        select(form.c.slug, organization.c.slug.label("organization"), newest.c.warnings, names)
        .select_from(form.join(organization).join(newest, true()))
        .where(newest.c.warnings != cast({}, JSONB))
        .order_by(form.c.form_id)
    )
    told = {}
    for row in connection.execute(query):
        rules = {f"rule.{name}" for name in row.names}
        warnings = {rule: sentence for rule, sentence in row.warnings.items() if rule in rules}
        if warnings:
            told[form_reference(row.organization, row.slug)] = warnings
    return told
