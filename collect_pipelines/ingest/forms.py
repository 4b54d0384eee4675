"""The forms this process serves: record, versions and check runners, at most a moment old."""

import asyncio
import gc
import re
from collections.abc import Sequence

from collect_pipelines.checks.answers import AnswersCheck
from collect_pipelines.checks.isolation.processes import CheckProcesses
from collect_pipelines.checks.runner import CheckRunner, line_class
from collect_pipelines.errors import NotFound, Unavailable
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.ingest.cache import Cache
from collect_pipelines.ingest.lists import ReferenceLists
from collect_pipelines.ingest.problems import Problem
from collect_pipelines.ingest.threads import StoreThreads
from collect_pipelines.plugins import OWN_DISTRIBUTION
from collect_pipelines.store.forms import FormRecord, VersionRecord, find_form, form_versions
from collect_pipelines.store.keys import ApiKey
from collect_pipelines.store.kinds import check_kinds

__all__ = ["FormBook", "FormVersion", "OpenForm"]

CACHE_SECONDS = 1.5  # a version published by another process, or a changed reference list, is taken after so long at most

WARM_RETRY_SECONDS = 5.0  # Postgres is away when ingest starts

_REFERENCE = re.compile(r"[A-Za-z0-9._-]{1,200}")


class FormVersion:
    """One immutable version, ready to check responses."""

    __slots__ = ("check_names", "definition", "lists_version", "number", "runner", "unique_by")

    def __init__(self, number: int, definition: FormDefinition, runner: CheckRunner, lists_version: int) -> None:
        self.number = number
        self.definition = definition
        self.unique_by = definition.unique_by
        self.check_names = (AnswersCheck.kind, *(name for name in definition.active_checks if name != AnswersCheck.kind))
        self.runner = runner
        self.lists_version = lists_version
        """State of the organization's reference lists that its checks were made ready with, at least."""


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

    def __init__(
        self,
        threads: StoreThreads,
        processes: CheckProcesses | None = None,
        trusted: Sequence[str] = (OWN_DISTRIBUTION,),
        cache_seconds: float = CACHE_SECONDS,
    ) -> None:
        """processes: where checks run that are not trusted; see CheckRunner."""
        self._threads = threads
        self._processes = processes or CheckProcesses()
        self.trusted = trusted
        """Distributions whose bounded checks run in line."""
        self._lists = ReferenceLists(threads)
        self._forms: Cache[tuple[int, str], OpenForm] = Cache(cache_seconds)
        self._known: dict[int, OpenForm] = {}
        self._making: dict[tuple[int, int], asyncio.Task[FormVersion]] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._looking: set[FormVersion] = set()
        """Versions whose missing checks are being looked for."""

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
        return await self._made(form, wanted, record.definition)

    def forget(self, key: ApiKey, reference: str) -> None:
        """Reads the form anew at its next use: call it after publishing, so that this process serves the version at once."""
        self._forms.forget((key.organization_id, reference))

    def unusable(self, form_id: int, version: int) -> dict[str, str] | None:
        """What keeps checks of this version from running, by kind; None while no response has named the version yet."""
        known = self._known.get(form_id)
        ready = known.ready.get(version) if known else None
        return ready.runner.unusable if ready else None

    def process_problem(self, kind: str) -> str | None:
        """Why no process of this kind of check comes up; None when one does, or none is needed."""
        return self._processes.problem(kind)

    def start(self) -> None:
        """Begins to start the processes of checks that open forms name; nobody waits for it."""
        task = asyncio.get_running_loop().create_task(self._warm())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def close(self) -> None:
        """Ends the processes of checks."""
        for task in [*self._making.values(), *self._background]:
            task.cancel()
        await self._processes.close()

    async def _warm(self) -> None:
        while True:
            try:
                kinds = await self._threads.read(check_kinds)
                break
            except Unavailable:
                await asyncio.sleep(WARM_RETRY_SECONDS)
        for kind in kinds:
            if await asyncio.to_thread(line_class, kind, self.trusted) is None:
                self._processes.of(kind).open()

    async def _made(self, form: OpenForm, number: int, definition: FormDefinition) -> FormVersion:
        """Made once, however many responses wait for it."""
        name = (form.form_id, number)
        task = self._making.get(name)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._make(form, number, definition))
            self._making[name] = task
            task.add_done_callback(lambda _: self._making.pop(name, None))
        return await asyncio.shield(task)

    async def _make(self, form: OpenForm, number: int, definition: FormDefinition) -> FormVersion:
        organization_id = form.record.organization_id
        lists_version = await self._lists.version(organization_id)  # before they are read, so that no change is missed
        runner = CheckRunner(
            definition,
            self._processes,
            trusted=self.trusted,
            read_references=lambda names: self._lists.read(organization_id, names),
            version=number,
        )
        await runner.prepare()
        # Forms stay: looking through those of thousands of choices for garbage would stop everything for hundreds of milliseconds.
        gc.freeze()
        return form.ready.setdefault(number, FormVersion(number, definition, runner, lists_version))

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
        await self._follow_lists(known)
        self._look_again(known)
        return known

    def _look_again(self, form: OpenForm) -> None:
        """Has checks looked for whose kinds were not installed; nobody waits for it."""
        for version in form.ready.values():
            if version.runner.misses and version not in self._looking:
                self._looking.add(version)
                task = asyncio.get_running_loop().create_task(self._look(version))
                self._background.add(task)
                task.add_done_callback(self._background.discard)

    async def _look(self, version: FormVersion) -> None:
        try:
            await version.runner.look_again()
        except Unavailable:
            pass  # its lists can't be read now; the next look at the form tries again
        finally:
            self._looking.discard(version)

    async def _follow_lists(self, form: OpenForm) -> None:
        """Has checks made ready anew whose reference lists changed; the old ones serve meanwhile."""
        using = [version for version in form.ready.values() if version.runner.references]
        if not using:
            return
        current = await self._lists.version(form.record.organization_id)
        for version in using:
            if version.lists_version != current:
                before, version.lists_version = version.lists_version, current
                task = asyncio.get_running_loop().create_task(_refresh(version, before))
                self._background.add(task)
                task.add_done_callback(self._background.discard)


async def _refresh(version: FormVersion, before: int) -> None:
    try:
        await version.runner.prepare()
    except Unavailable:
        version.lists_version = before  # the next look at the form tries again


def _span(numbers: list[int]) -> str:
    return f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 2 else " and ".join(map(str, numbers))
