"""Tells operators which checks can't be used, also before the first response is flagged for it."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import chain, repeat

from collect_pipelines.checks.making import Unusable, sound_config
from collect_pipelines.checks.runner import line_class
from collect_pipelines.errors import Unavailable
from collect_pipelines.ingest.forms import FormBook
from collect_pipelines.ingest.threads import StoreThreads
from collect_pipelines.store.kinds import NamedCheck, named_checks
from collect_pipelines.telemetry.ingest_metrics import IngestMetrics
from collect_pipelines.telemetry.logs import get_logger

__all__ = ["CheckWatch"]

FIRST_SECONDS = (0.0, 10.0)  # at the start, and when processes of checks have come up, or have not
PERIOD_SECONDS = 60.0  # it is for people; responses are told at once
RETRY_SECONDS = 5.0  # Postgres is away
MAX_TOLD = 500  # characters of a line: what is wrong and what to do

log = get_logger(__name__)


class CheckWatch:
    """
    Looks at the checks that open forms name in their newest version; a line in the log and a gauge for each that can't be used.

    For one event loop. It only tells: responses are taken as the form's `on_error` says, and the process stays ready.
    """

    def __init__(self, threads: StoreThreads, forms: FormBook, metrics: IngestMetrics) -> None:
        self._threads = threads
        self._forms = forms
        self._metrics = metrics
        self._told: dict[tuple[str, str], str] = {}
        """What was told of kind and form."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to look; nobody waits for it."""
        self._task = asyncio.get_running_loop().create_task(self._watch())

    async def stop(self) -> None:
        """Ends it at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Looks once, and tells what changed. Raises Unavailable."""
        named = await self._threads.read(named_checks)
        unseen = [one for one in named if self._forms.unusable(one.form_id, one.version) is None]
        found = await asyncio.to_thread(lambda: dict(_at_first_sight(unseen, self._forms.trusted)))
        for one in named:
            problem = (self._forms.unusable(one.form_id, one.version) or {}).get(one.kind) or self._forms.process_problem(one.kind)
            if problem is not None:
                found[one.kind, one.form] = problem
        self._tell(found)

    def _tell(self, found: dict[tuple[str, str], str]) -> None:
        for (kind, form), problem in found.items():
            if self._told.get((kind, form)) != problem:
                self._metrics.check_unusable(kind, form, unusable=True)
                log.warning("check_unusable", msg=" ".join(problem.split())[:MAX_TOLD], kind=kind, form=form)
        for kind, form in self._told.keys() - found.keys():
            self._metrics.check_unusable(kind, form, unusable=False)
            log.info("check_usable", msg="It can be used now, or no open form names it any more.", kind=kind, form=form)
        self._told = found

    async def _watch(self) -> None:
        for seconds in chain(FIRST_SECONDS, repeat(PERIOD_SECONDS)):
            await asyncio.sleep(seconds)
            try:
                await self.look()
            except Unavailable:
                await asyncio.sleep(RETRY_SECONDS)
            except Exception as exc:
                log.info("check_watch_put_off", exc_info=exc)


def _at_first_sight(named: Sequence[NamedCheck], trusted: Sequence[str]) -> Iterator[tuple[tuple[str, str], str]]:
    """What is known of checks that nobody has asked yet: whether they are installed, and for those in line, their configuration."""
    classes = {kind: line_class(kind, trusted) for kind in {one.kind for one in named}}
    for one in named:
        made = classes[one.kind]
        if isinstance(made, str):
            yield (one.kind, one.form), made
        elif made is not None:
            try:
                sound_config(made, one.kind, one.config)
            except Unusable as exc:
                yield (one.kind, one.form), str(exc)
