"""Adding and changing integrations: nothing is stored that does not fit its form and its kind."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from collect_pipelines.destinations.interface import Destination
from collect_pipelines.errors import ConfigInvalid
from collect_pipelines.forms.columns import layout
from collect_pipelines.settings import Settings
from collect_pipelines.store.audit import record_audit
from collect_pipelines.store.backfill_records import Backfill
from collect_pipelines.store.backfills import live_first
from collect_pipelines.store.forms import FormRecord, form_by_id, form_versions
from collect_pipelines.store.integration_changes import update_integration
from collect_pipelines.store.integrations import Integration, add_integration, integration_by_id
from collect_pipelines.sync.mapping.fit import Misfit
from collect_pipelines.sync.mapping.freezing import keep_earlier
from collect_pipelines.sync.mapping.keys import ensure_hash_key
from collect_pipelines.sync.mapping.model import FrozenMapping, MappingConfig
from collect_pipelines.sync.mapping.notices import notices
from collect_pipelines.sync.mapping.plan import Plan, plan_of
from collect_pipelines.sync.mapping.reading import read_start, settings_of_kind
from collect_pipelines.sync.plugs import Finder, installed_destination

__all__ = ["Checked", "Saved", "change_integration", "check_mapping", "create_integration"]


@dataclass(frozen=True, slots=True)
class Checked:
    """A mapping that fits."""

    plan: Plan
    notices: tuple[str, ...]
    """What a person should know, e.g. which personal answers go out as they are."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What was stored."""

    integration: Integration
    notices: tuple[str, ...]
    backfill: Backfill | None = None
    """What sends the older responses, behind those that come in from now on; None when there are few or none of them."""


def check_mapping(
    connection: Connection,
    form: FormRecord,
    kind: str,
    mapping: MappingConfig,
    *,
    language: str | None = None,
    finder: Finder = installed_destination,
) -> Checked:
    """The mapping against all versions of the form and the kind. Raises ConfigInvalid naming every field, and PluginError."""
    versions = [record.definition for record in form_versions(connection, form.form_id)]
    plan = plan_of(versions, FrozenMapping(**mapping.model_dump(), language=language), finder(kind))
    if plan.misfits:
        raise _refused(form, plan.misfits)
    return Checked(plan, notices(plan, layout(versions, language), versions[-1]))


def create_integration(
    connection: Connection,
    settings: Settings,
    form: FormRecord,
    name: str,
    kind: str,
    config: dict[str, Any],
    mapping: MappingConfig,
    *,
    start: str = "all",
    language: str | None = None,
    weight: float = 1.0,
    actor: str = "cli",
    finder: Finder = installed_destination,
) -> Saved:
    """
    Binds the form to a destination.

    start: `all`, `now`, or `since:` a day or moment. Raises ConfigInvalid naming the field, PluginError, and Conflict when the name is
    taken.
    """
    checked = check_mapping(connection, form, kind, mapping, language=language, finder=finder)
    values = settings_of_kind(finder(kind), config)
    _check_config(finder(kind), values, checked.plan, form)
    if checked.plan.hashes:
        ensure_hash_key(connection, settings, form.organization)
    begin = read_start(start, checked.plan.zone)
    document = mapping.document()
    added = add_integration(connection, form.form_id, name, kind, values, start=begin, language=language, mapping=document, weight=weight)
    # Promise 10: names of fields, never what they hold
    detail = {"kind": kind, "form": form.reference, "start": start, "config": sorted(values), "mapping": sorted(added.mapping)}
    record_audit(connection, actor, "integration.add", name, detail)
    backfill = live_first(connection, added.integration_id, actor)
    return Saved(integration_by_id(connection, added.integration_id), checked.notices, backfill)


def change_integration(
    connection: Connection,
    settings: Settings,
    integration: Integration,
    *,
    config: dict[str, Any],
    mapping: MappingConfig,
    language: str | None,
    weight: float | None = None,
    actor: str = "cli",
    finder: Finder = installed_destination,
) -> Saved:
    """
    Other settings from the next batch on; one that is planned already goes out as it was planned.

    What was delivered stays as it is until it is edited or sent again. Raises ConfigInvalid naming the field, and PluginError.
    """
    form = form_by_id(connection, integration.form_id)
    checked = check_mapping(connection, form, integration.kind, mapping, language=language, finder=finder)
    values = settings_of_kind(finder(integration.kind), config)
    _check_config(finder(integration.kind), values, checked.plan, form)
    if checked.plan.hashes:
        ensure_hash_key(connection, settings, integration.organization)
    keep_earlier(connection, integration, mapping)
    document = mapping.document()
    changed = update_integration(connection, integration.integration_id, config=values, mapping=document, language=language, weight=weight)
    detail: dict[str, Any] = {"config": sorted(values), "mapping": sorted(changed.mapping)}
    detail |= {} if weight is None else {"weight": weight}
    record_audit(connection, actor, "integration.set", integration.name, detail)
    return Saved(changed, checked.notices)


def _check_config(kind: type[Destination], values: dict[str, Any], plan: Plan, form: FormRecord) -> None:
    """Raises ConfigInvalid when the kind's own settings name questions that the mapping does not let out."""
    faults = kind.misfits(kind.Config.model_validate(values), plan.columns)
    if faults:
        raise ConfigInvalid(f"The configuration of {kind.kind} does not fit the form {form.reference}.", fix="; ".join(faults))


def _refused(form: FormRecord, misfits: Sequence[Misfit]) -> ConfigInvalid:
    told = "; ".join(f"{one.field}: {one.message}" for one in misfits)
    fix = "; ".join(dict.fromkeys(one.fix for one in misfits))
    return ConfigInvalid(f"The mapping does not fit the form {form.reference}. {told}", fix=fix)
