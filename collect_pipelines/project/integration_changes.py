"""Integrations: new, changed, paused and resumed ones, and how many responses each of that touches."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection

from collect_pipelines.errors import ConfigInvalid, PluginError
from collect_pipelines.forms.columns import layout
from collect_pipelines.forms.faults import Place, nearest
from collect_pipelines.project.form_changes import versions_after
from collect_pipelines.project.model import IntegrationEntry
from collect_pipelines.project.plan import Change
from collect_pipelines.project.reading import ProjectFile, problem_at
from collect_pipelines.project.references import inline_secrets
from collect_pipelines.project.stored import Stored
from collect_pipelines.store.integrations import Integration, begin_position
from collect_pipelines.store.secrets import secrets_named
from collect_pipelines.sync.mapping.model import FrozenMapping, MappingConfig
from collect_pipelines.sync.mapping.notices import notices
from collect_pipelines.sync.mapping.plan import Plan as MappingPlan
from collect_pipelines.sync.mapping.plan import plan_of
from collect_pipelines.sync.mapping.reading import read_start, settings_of_kind
from collect_pipelines.sync.plugs import Finder

__all__ = ["Notice", "Problem", "integration_changes"]

MOST_SHOWN = 60  # characters of a setting


class Problem(str):
    """Why the file can't be applied."""


class Notice(str):
    """What a person should know."""


def integration_changes(
    connection: Connection | None, file: ProjectFile, stored: Stored, finder: Finder, *, prune: bool
) -> Iterator[Change | Problem | Notice]:
    """What the file changes. connection: None without a database; then nothing is stored."""
    for number, entry in enumerate(file.project.integrations):
        yield from _Entry(connection, file, stored, finder, number, entry).changes()
    named = {entry.name for entry in file.project.integrations}
    others = [one for name, one in stored.integrations.items() if name not in named]
    if prune:
        for one in others:
            if one.state != "paused":
                pending = stored.ledger[one.name].pending
                yield Change("integration", one.name, "pause", "paused, it is not in the file", facts={"pending": pending})
    elif others:
        yield Notice(f"Not in the file, and left alone: {', '.join(one.name for one in others)}. With --prune they are paused.")


class _Entry:
    """One integration of the file beside what is stored of it."""

    def __init__(
        self, connection: Connection | None, file: ProjectFile, stored: Stored, finder: Finder, number: int, entry: IntegrationEntry
    ) -> None:
        self.connection, self.file, self.stored, self.finder, self.entry = connection, file, stored, finder, entry
        self.place: Place = ("integrations", number)
        self.known = stored.integrations.get(entry.name)

    def changes(self) -> Iterator[Change | Problem | Notice]:
        """What it changes."""
        versions = versions_after(self.file, self.stored, self.entry.form)
        if not versions:
            near = nearest(self.entry.form, {**self.file.forms, **self.stored.forms})
            yield self._problem(f"there is no form `{self.entry.form}`{near or '; add its file under `forms`'}", "form")
            return
        problems = list(self._moved())
        try:
            kind = self.finder(self.entry.kind)
            settings_of_kind(kind, self.entry.config)
        except PluginError as exc:
            problems.append(self._problem(f"{exc.message} {exc.fix or ''}".strip(), "kind"))
        except ConfigInvalid as exc:
            meant = f" {exc.fix.partition('?')[0]}?" if exc.fix and exc.fix.startswith("Did you mean") else ""
            problems.append(self._problem(f"{exc.message.rstrip('.')}.{meant}", "config"))
        if problems:
            yield from problems
            return
        plan = plan_of(versions, FrozenMapping(**self.entry.mapping.model_dump(), language=self.entry.language), kind)
        if plan.misfits:
            for one in plan.misfits:
                yield self._problem(f"{one.message}; {one.fix}", "mapping", one.field)
            return
        faults = kind.misfits(kind.Config.model_validate(self.entry.config), plan.columns)
        if faults:
            yield from (self._problem(fault, "config") for fault in faults)
            return
        if self.known is None:
            yield self._added(plan)
            told = notices(plan, layout(versions, self.entry.language), versions[-1])
            yield from (Notice(f"{self.entry.name}: {text}") for text in told)
        else:
            yield from self._changed(self.known, plan)
        if self.connection is not None:
            yield from self._missing_secrets()

    def _problem(self, message: str, *fields: str) -> Problem:
        return Problem(problem_at(self.file.path, self.file.tree, (*self.place, *fields), message))

    def _missing_secrets(self) -> Iterator[Notice]:
        for name in secrets_named(self.entry.config):
            if name not in self.stored.secrets:
                store = f"collect secrets set {name} --organization {self.stored.organization}"
                yield Notice(f"{self.entry.name} will be blocked: there is no stored secret {name}. Store it: {store}")

    def _moved(self) -> Iterator[Problem]:
        """An integration never changes what it is: its position in the log and what it delivered belong to form and kind."""
        if self.known is None:
            return
        for field, was in (("kind", self.known.kind), ("form", self.stored.slug_of(self.known))):
            if getattr(self.entry, field) != was:
                yield self._problem(f"`{self.entry.name}` has the {field} `{was}`; one with another {field} needs another name", field)

    def _added(self, plan: MappingPlan) -> Change:
        older = self._older(plan)
        columns = len(plan.columns)
        lines = []
        if older:
            lines.append(f"sends {older:,} log entries that are there already, behind those that come in from now on")
        if self.entry.state == "paused":
            lines.append("paused: it keeps what comes in until it is active")
        summary = f"{self.entry.kind} of {self.entry.form}, {columns} {'column' if columns == 1 else 'columns'}"
        facts = {
            "form": self.entry.form, "kind": self.entry.kind, "columns": [column.label for column in plan.columns],
            "backfill": older, "state": self.entry.state,
        }  # fmt: skip
        return Change("integration", self.entry.name, "add", summary, tuple(lines), facts)

    def _older(self, plan: MappingPlan) -> int:
        form = self.stored.forms.get(self.entry.form)
        if form is None or self.connection is None:
            return 0
        start = read_start(self.entry.start, plan.zone)
        return form.record.head - begin_position(self.connection, form.record.form_id, start, form.record.head)

    def _changed(self, known: Integration, plan: MappingPlan) -> Iterator[Change | Notice]:
        line = self.stored.ledger[known.name]
        fields = dict(self._fields(known))
        lines = list(fields.values())
        before = plan_of(self.stored.forms[self.entry.form].versions, _mapping_of(known), self.finder(known.kind)) if fields else plan
        added, gone = _columns_not_in(plan, before), _columns_not_in(before, plan)
        if fields and added:
            lines.append(f"new columns: {', '.join(added)}")
        if fields and gone:
            lines.append(f"no longer sent: {', '.join(gone)}; what is there stays")
        if fields and line.delivered:
            lines.append(f"{line.delivered:,} entries that were delivered stay as they are until they are edited or sent again")
        facts = {"fields": list(fields), "delivered": line.delivered, "pending": line.pending, "columns_added": added, "columns_gone": gone}
        pausing = self.entry.state == "paused" and known.state != "paused"
        resuming = self.entry.state == "active" and known.state == "paused"
        if pausing:
            lines.append(f"paused: {line.pending:,} entries wait, and what comes in")
        if resuming:
            lines.append(f"delivers again: {line.pending:,} entries to send")
        if known.state == "blocked" and not pausing:
            yield Notice(f"{known.name} is blocked: {known.reason} Next: {known.fix}")
        if not lines:
            return
        summary = "settings change" if fields else "paused" if pausing else "delivers again"
        yield Change("integration", known.name, "pause" if pausing and not fields else "change", summary, tuple(lines), facts)

    def _fields(self, known: Integration) -> Iterator[tuple[str, str]]:
        """Names of what is different, each with what it was and will be."""
        config = settings_of_kind(self.finder(self.entry.kind), self.entry.config)
        mapping = self.entry.mapping.document()
        earlier = MappingConfig.model_validate(known.mapping).document()
        for part, was, now in (("config", _settings(known, self.finder), config), ("mapping", earlier, mapping)):
            for name in dict.fromkeys((*was, *now)):
                if was.get(name) != now.get(name):
                    yield f"{part}.{name}", f"{part}.{name}: {_shown(name, was.get(name))} -> {_shown(name, now.get(name))}"
        if known.language != self.entry.language:
            yield "language", f"language: {_shown('', known.language)} -> {_shown('', self.entry.language)}"
        if known.weight != self.entry.weight:
            yield "weight", f"weight: {known.weight:g} -> {self.entry.weight:g}"


def _settings(known: Integration, finder: Finder) -> dict[str, Any]:
    try:
        return settings_of_kind(finder(known.kind), known.config)
    except ConfigInvalid:
        return known.config  # stored by an earlier version that knew other settings


def _mapping_of(known: Integration) -> FrozenMapping:
    return FrozenMapping(**MappingConfig.model_validate(known.mapping).model_dump(), language=known.language)


def _columns_not_in(plan: MappingPlan, other: MappingPlan) -> list[str]:
    names = {column.name for column in other.columns}
    return [column.label for column in plan.columns if column.name not in names]


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "not set"
    # Promise 10: what was stored may hold a secret, whoever put it there
    if inline_secrets({name: value}):
        return "(not shown)"
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."
