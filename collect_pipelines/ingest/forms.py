"""The forms this process serves: record, versions and check runners, at most a moment old."""

import re

from collect_pipelines.checks.answers import AnswersCheck
from collect_pipelines.checks.runner import CheckRunner
from collect_pipelines.errors import NotFound
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.ingest.cache import Cache
from collect_pipelines.ingest.problems import Problem
from collect_pipelines.ingest.threads import StoreThreads
from collect_pipelines.store.forms import FormRecord, VersionRecord, find_form, form_versions
from collect_pipelines.store.keys import ApiKey

__all__ = ["FormBook", "FormVersion", "OpenForm"]

CACHE_SECONDS = 1.5  # a version published by another process is taken after so long at most

_REFERENCE = re.compile(r"[A-Za-z0-9._-]{1,200}")


class FormVersion:
    """One immutable version, ready to check responses."""

    __slots__ = ("check_names", "definition", "number", "runner", "unique_by")

    def __init__(self, number: int, definition: FormDefinition) -> None:
        self.number = number
        self.definition = definition
        self.unique_by = definition.unique_by
        self.check_names = (AnswersCheck.kind, *(name for name in definition.checks if name != AnswersCheck.kind))
        self.runner = CheckRunner(definition)


class OpenForm:
    """A form with all its versions; versions are made ready when a response first names them."""

    def __init__(self, record: FormRecord, versions: dict[int, VersionRecord], ready: dict[int, FormVersion]) -> None:
        self.record = record
        self.form_id = record.form_id
        self.reference = record.reference
        self.versions = versions
        self.ready = ready

    @property
    def newest(self) -> int:
        """Number of the newest version."""
        return self.record.version


class FormBook:
    """Forms by organization and reference."""

    def __init__(self, threads: StoreThreads, cache_seconds: float = CACHE_SECONDS) -> None:
        self._threads = threads
        self._forms: Cache[tuple[int, str], OpenForm] = Cache(cache_seconds)
        self._known: dict[int, OpenForm] = {}

    async def open(self, key: ApiKey, reference: str) -> OpenForm:
        """The form. Raises Problem `unknown-form`, in the same words, also when it belongs to another organization."""
        if not _REFERENCE.fullmatch(reference):
            raise Problem("unknown-form")
        return await self._forms.get((key.organization_id, reference), lambda: self._load(key, reference))

    async def version(self, key: ApiKey, form: OpenForm, number: int | None) -> FormVersion:
        """The version, ready to check; None is the newest. Raises Problem `unknown-version` listing what there is."""
        wanted = form.newest if number is None else number
        ready = form.ready.get(wanted)
        if ready is not None:
            return ready
        if wanted not in form.versions:
            # It may have been published a moment ago by another process.
            self.forget(key, form.reference)
            form = await self.open(key, form.reference)
        record = form.versions.get(wanted)
        if record is None:
            raise Problem.at("unknown-version", "#/version", f"The form has the versions {_span(sorted(form.versions))}.")
        # Building compiles patterns and may import a plug-in: not on the event loop.
        made = await self._threads.call(10.0, FormVersion, wanted, record.definition)
        return form.ready.setdefault(wanted, made)

    def forget(self, key: ApiKey, reference: str) -> None:
        """Reads the form anew at its next use: call it after publishing, so that this process serves the version at once."""
        self._forms.forget((key.organization_id, reference))

    async def _load(self, key: ApiKey, reference: str) -> OpenForm:
        try:
            record = await self._threads.transaction(find_form, reference, key.organization)
        except NotFound as exc:
            raise Problem("unknown-form") from exc
        if record.organization_id != key.organization_id:
            raise Problem("unknown-form")
        known = self._known.get(record.form_id)
        if known is None or known.newest != record.version:
            records = await self._threads.transaction(form_versions, record.form_id)
            known = OpenForm(record, {entry.version: entry for entry in records}, known.ready if known else {})
        else:
            known = OpenForm(record, known.versions, known.ready)
        self._known[record.form_id] = known
        return known


def _span(numbers: list[int]) -> str:
    return f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 2 else " and ".join(map(str, numbers))
