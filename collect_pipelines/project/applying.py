"""Carrying out a plan: in one transaction, so that all of it happens or none."""

from sqlalchemy import Connection

from collect_pipelines.errors import Conflict, ProjectInvalid
from collect_pipelines.project.key_changes import KeySource, save_new_key
from collect_pipelines.project.model import IntegrationEntry, KeyEntry
from collect_pipelines.project.plan import Change, Plan
from collect_pipelines.project.planning import make_plan
from collect_pipelines.project.reading import ProjectFile
from collect_pipelines.project.stored import read_stored
from collect_pipelines.settings import Settings
from collect_pipelines.store.audit import record_audit
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import find_form, form_reference, publish_form
from collect_pipelines.store.integrations import find_integration, set_integration_state
from collect_pipelines.store.keys import create_key, set_key_scopes
from collect_pipelines.store.organizations import ensure_organization
from collect_pipelines.store.project import hold_project
from collect_pipelines.sync.mapping.saving import change_integration, create_integration
from collect_pipelines.sync.plugs import Finder, installed_destination

__all__ = ["apply_plan", "refuse_problems"]

PRUNED = "It is not in the project file."


def apply_plan(
    database: Database,
    settings: Settings,
    file: ProjectFile,
    *,
    agreed: Plan | None = None,
    prune: bool = False,
    actor: str = "cli",
    finder: Finder = installed_destination,
) -> Plan:
    """
    Makes it so, and says what was done; an empty plan when nothing was to do.

    All happens in one transaction: after a crash at any moment it is done or not begun, and can be repeated. Only a file of a new
    key may be there already then; the next time that key is taken from it.

    agreed: the plan a person has seen. Raises Conflict when it would be another one by now, ProjectInvalid when there are problems.
    """
    with database.begin() as connection:
        hold_project(connection, file.project.organization)
        plan = make_plan(connection, file, prune=prune, finder=finder)
        refuse_problems(file, plan)
        if agreed is not None and _what(plan) != _what(agreed):
            raise Conflict("What is stored has changed since the plan was shown; nothing was done.", fix="Look at the plan again.")
        if plan.changes:
            _carry_out(connection, settings, file, plan, actor, finder)
            counts = {part: len(plan.of(part)) for part in ("form", "integration", "key")}
            record_audit(connection, actor, "project.apply", file.project.organization, counts)
    return plan


def refuse_problems(file: ProjectFile, plan: Plan) -> None:
    """Raises ProjectInvalid when the plan can't be carried out."""
    if plan.problems:
        count = "One fault" if len(plan.problems) == 1 else f"{len(plan.problems)} faults"
        raise ProjectInvalid(
            f"{count} in {file.path}: {plan.problems[0]}", problems=plan.problems, fix="Correct the lines named above; nothing was done."
        )


def _what(plan: Plan) -> list[tuple[object, ...]]:
    """The changes without their counts, which go on growing while a person reads."""
    return [(change.part, change.name, change.action, change.facts.get("fields"), change.facts.get("version")) for change in plan.changes]


def _carry_out(connection: Connection, settings: Settings, file: ProjectFile, plan: Plan, actor: str, finder: Finder) -> None:
    organization = file.project.organization
    ensure_organization(connection, organization)
    for slug in plan.of("form"):
        publish_form(connection, organization, file.forms[slug], actor)
    entries = {entry.name: entry for entry in file.project.integrations}
    for name, change in plan.of("integration").items():
        if name in entries:
            _integration(connection, settings, organization, entries[name], change, actor, finder)
        else:
            found = find_integration(connection, name, organization)
            fix = f"Add it to the file, or: collect integrations resume {name}"
            set_integration_state(connection, found.integration_id, "paused", PRUNED, fix)
    keys = {entry.name: entry for entry in file.project.keys}
    for name, change in plan.of("key").items():
        _key(connection, file, keys[name], change)


def _integration(
    connection: Connection, settings: Settings, organization: str, entry: IntegrationEntry, change: Change, actor: str, finder: Finder
) -> None:
    if change.action == "add":
        form = find_form(connection, form_reference(organization, entry.form))
        saved = create_integration(
            connection, settings, form, entry.name, entry.kind, entry.config, entry.mapping,
            start=entry.start, language=entry.language, weight=entry.weight, actor=actor, finder=finder,
        )  # fmt: skip
        known = saved.integration
    else:
        known = find_integration(connection, entry.name, organization)
        if change.facts["fields"]:
            known = change_integration(
                connection, settings, known,
                config=entry.config, mapping=entry.mapping, language=entry.language, weight=entry.weight, actor=actor, finder=finder,
            ).integration  # fmt: skip
    if (known.state == "paused") != (entry.state == "paused"):
        set_integration_state(connection, known.integration_id, entry.state)


def _key(connection: Connection, file: ProjectFile, entry: KeyEntry, change: Change) -> None:
    organization = file.project.organization
    scopes = frozenset(entry.scopes)
    if change.action == "change":
        set_key_scopes(connection, read_stored(connection, organization).keys[entry.name].key_id, scopes)
        return
    assert entry.value is not None, "planned only with a reference"
    source = KeySource.of(file, entry.value)
    text = source.text
    if text is None:
        assert source.path is not None, "planned only for a file"
        text = save_new_key(source.path)
    create_key(connection, organization, entry.name, scopes, text=text)
