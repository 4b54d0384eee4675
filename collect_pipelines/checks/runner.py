"""Running the checks of a form version on one response: within the form's deadline, and whatever a plug-in does."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from collect_pipelines import plugins
from collect_pipelines.checks.answers import AnswersCheck
from collect_pipelines.checks.breaker import Breaker
from collect_pipelines.checks.inline import InlineCheck
from collect_pipelines.checks.interface import Check, CheckConfig, Draft, References
from collect_pipelines.checks.isolation.isolated import IsolatedCheck
from collect_pipelines.checks.isolation.processes import CheckProcesses
from collect_pipelines.checks.said import GettingReady, LookUp, NotNow, Said, nobody_earlier
from collect_pipelines.checks.verdict import CheckOutcome, Nonsense, OutcomeName, outcome_of
from collect_pipelines.errors import PluginError
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.messages import say
from collect_pipelines.model import Finding
from collect_pipelines.plugins import OWN_DISTRIBUTION
from collect_pipelines.telemetry.logs import get_logger

__all__ = ["CheckOutcome", "CheckRunner", "line_class"]

log = get_logger(__name__)


class CheckRunner:
    """
    The checks of one form version; `await prepare()` once, then `run` for each response, in one event loop.

    `answers` runs first. Checks of trusted distributions that claim to be bounded run in line, all others in processes of their
    kind, all at the same time, each within its `timeout_ms`, all within the form's `deadline_ms`. One that raises, hangs, crashes,
    returns nonsense or is not installed is an outcome `error` or `timeout`, treated by its `on_error`: accept keeps the response,
    flag adds a finding, reject makes the outcome `rejected`.
    """

    def __init__(
        self,
        definition: FormDefinition,
        processes: CheckProcesses,
        *,
        trusted: Sequence[str] = (OWN_DISTRIBUTION,),
        read_references: Callable[[tuple[str, ...]], Awaitable[References]] | None = None,
        version: int | None = None,
    ) -> None:
        """
        trusted: distributions whose bounded checks run in line.
        read_references: reads reference lists by name; may raise Unavailable.
        version: number of the form version, for the log.
        """
        self._definition = definition
        self._processes = processes
        self._trusted = tuple(trusted)
        self._read = read_references or _no_references
        self._version = version
        self._answers = AnswersCheck(CheckConfig())
        self._places: dict[str, InlineCheck | IsolatedCheck | str] = {}
        self._is_prepared = False
        self._absent: frozenset[str] = frozenset()
        self._settings = {kind: settings for kind, settings in definition.active_checks.items() if kind != AnswersCheck.kind}

    @property
    def unusable(self) -> dict[str, str]:
        """What keeps checks of this form from running, by kind, as far as it is known, each with what to do; empty when all is well."""
        found = ((kind, place if isinstance(place, str) else place.problem) for kind, place in self._places.items())
        return {kind: problem for kind, problem in found if problem}

    @property
    def problems(self) -> tuple[str, ...]:
        """The same without the kinds."""
        return tuple(self.unusable.values())

    @property
    def references(self) -> frozenset[str]:
        """Names of the reference lists that its checks want, as far as they are known."""
        return frozenset(name for place in self._places.values() if not isinstance(place, str) for name in place.references)

    async def prepare(self) -> None:
        """
        Makes the checks ready; call it again when a reference list changed. Processes get ready in the background.

        Raises Unavailable when the lists can't be read now. Never raises because of a plug-in; see `problems`.
        """
        if not self._is_prepared:
            async with self._processes.preparing:
                # In a thread: compiling a large form would hold up the responses to all others.
                await asyncio.to_thread(self._answers.prepare, self._definition, {})
                self._places, self._absent = await self._found(self._settings)
            self._is_prepared = True
        for place in self._places.values():
            if not isinstance(place, str):
                await place.prepare(self._read)

    @property
    def misses(self) -> bool:
        """Whether a kind it names was not installed, or twice, when it was looked for."""
        return bool(self._absent)

    async def look_again(self) -> None:
        """
        Makes checks ready whose kinds were missing and are there now. Cheap while nothing is installed or removed.

        Raises Unavailable when reference lists can't be read now; the next look tries again.
        """
        come = await asyncio.to_thread(lambda: [kind for kind in self._absent if plugins.offered(plugins.CHECKS, kind)])
        if not come:
            return
        async with self._processes.preparing:
            places, absent = await self._found(come)
        for place in places.values():
            if not isinstance(place, str):
                await place.prepare(self._read)
        self._places |= places
        self._absent = self._absent.difference(come) | absent

    async def is_ready(self, seconds: float) -> bool:
        """Waits until every check can be asked at once or is known to be unusable; False when that takes longer."""
        isolated = [place for place in self._places.values() if isinstance(place, IsolatedCheck)]
        return all(await asyncio.gather(*(place.is_ready(seconds) for place in isolated)))

    async def run(self, draft: Draft, look_up: LookUp = nobody_earlier) -> list[CheckOutcome]:
        """
        One outcome per check, `answers` first. Facts that checks found out are in `draft.answer_metadata` afterwards.

        look_up: finds earlier responses by the fingerprints of checks; may raise Unavailable.
        """
        started = time.perf_counter()
        findings = tuple(self._answers.check(draft, self._definition))
        outcomes = [CheckOutcome(AnswersCheck.kind, outcome_of(findings), findings, _since(started))]
        if not self._places:
            return outcomes
        if any(finding.code in ("type", "unknown") for finding in findings):  # plug-ins are promised typed answers to known questions
            return outcomes + [CheckOutcome(kind, "skipped", (), 0.0) for kind in self._places]
        deadline = started + self._definition.deadline_ms / 1000
        # Those that wait for somebody else are begun first; those in line run meanwhile.
        waiting = {
            kind: asyncio.ensure_future(self._wait_for(place, draft, deadline, look_up))
            for kind, place in self._places.items()
            if not isinstance(place, str) and place.waits
        }
        done = {kind: self._run_now(kind, place, draft) for kind, place in self._places.items() if kind not in waiting}
        return outcomes + [done[kind] if kind in done else await waiting[kind] for kind in self._places]

    async def _found(self, kinds: Iterable[str]) -> tuple[dict[str, InlineCheck | IsolatedCheck | str], frozenset[str]]:
        """Where each kind runs, or why it can't; and which are not there at all."""
        absent = await asyncio.to_thread(lambda: frozenset(kind for kind in kinds if not plugins.offered(plugins.CHECKS, kind)))
        made = await asyncio.to_thread(lambda: {kind: line_class(kind, self._trusted) for kind in kinds})
        return {kind: self._place(kind, one) for kind, one in made.items()}, absent

    def _place(self, kind: str, made: type[Check] | str | None) -> InlineCheck | IsolatedCheck | str:
        if isinstance(made, str):
            return made
        settings = self._settings[kind]
        breaker = Breaker(self._processes.pause_seconds, lambda opened: self._tell(kind, opened))
        if made is not None:
            return InlineCheck(made, kind, settings, self._definition, breaker, self._processes.preparing)
        return IsolatedCheck(kind, settings, self._definition, breaker, self._processes)

    def _run_now(self, kind: str, place: InlineCheck | IsolatedCheck | str, draft: Draft) -> CheckOutcome:
        started = time.perf_counter()
        if isinstance(place, str):
            return self._failed(kind, "error", place, started, draft.language)
        assert isinstance(place, InlineCheck)
        shut = self._shut(place, draft, started)
        if shut is not None:
            return shut
        try:
            return self._heard(kind, place.ask_now(draft), draft, started)
        except GettingReady as exc:
            return self._failed(kind, "error", str(exc), started, draft.language, "starting")
        except (Nonsense, NotNow) as exc:
            return self._failed(kind, "error", str(exc), started, draft.language)

    async def _wait_for(self, place: InlineCheck | IsolatedCheck, draft: Draft, deadline: float, look_up: LookUp) -> CheckOutcome:
        started = time.perf_counter()
        shut = self._shut(place, draft, started)
        if shut is not None:
            return shut
        seconds = max(0.0, min(deadline - started, place.settings.timeout_ms / 1000))
        try:
            said = await place.ask(draft, seconds, look_up)
        except TimeoutError:
            place.breaker.undecided()  # if it was lost meanwhile, the breaker is told so by whoever lost it
            return self._failed(place.kind, "timeout", "took too long", started, draft.language)
        except NotNow as exc:
            place.breaker.undecided()
            variant = "starting" if isinstance(exc, GettingReady) else ""
            return self._failed(place.kind, "error", str(exc), started, draft.language, variant)
        except Nonsense as exc:
            return self._failed(place.kind, "error", str(exc), started, draft.language)
        except Exception as exc:
            log.error("check_lost", msg="The check could not be asked.", kind=place.kind, form=self._definition.form, exc_info=exc)
            return self._failed(place.kind, "error", "could not be asked", started, draft.language)
        return self._heard(place.kind, said, draft, started)

    def _shut(self, place: InlineCheck | IsolatedCheck, draft: Draft, started: float) -> CheckOutcome | None:
        """The outcome when its breaker lets nobody pass."""
        if place.breaker.allows(asyncio.get_running_loop().time()):
            return None
        pause = f"not tried for {place.breaker.pause_seconds:g} s after repeated failures"
        return self._failed(place.kind, "error", pause, started, draft.language)

    def _heard(self, kind: str, said: Said, draft: Draft, started: float) -> CheckOutcome:
        findings, metadata = said
        for question, facts in metadata.items():
            draft.answer_metadata.setdefault(question, {}).update(facts)
        return CheckOutcome(kind, outcome_of(findings), findings, _since(started))

    def _failed(
        self, kind: str, outcome: OutcomeName, reason: str, started: float, language: str | None, variant: str = ""
    ) -> CheckOutcome:
        """variant: chooses the sentence; `starting` when sending again in a moment helps."""
        on_error = self._settings[kind].on_error
        if on_error == "accept":
            return CheckOutcome(kind, outcome, (), _since(started), reason, outcome)
        code = f"check.{outcome}"
        sentence = f"{code}.{variant}.{on_error}" if variant else code
        finding = Finding(code, say(sentence, language, {"check": kind}), on_error)
        return CheckOutcome(kind, "rejected" if on_error == "reject" else outcome, (finding,), _since(started), reason, outcome)

    def _tell(self, kind: str, opened: bool) -> None:
        self._processes.watcher.check_breaker(kind, self._definition.form, opened)
        named = {"kind": kind, "form": self._definition.form, "version": self._version}
        if opened:
            log.warning("check_breaker_opened", msg="Left alone for a while after repeated failures.", **named)
        else:
            log.info("check_breaker_closed", msg="Answers again.", **named)


def line_class(kind: str, trusted: Sequence[str]) -> type[Check] | str | None:
    """The class of a check that runs in line; None for one that runs in processes; or why there is none. Imports trusted ones only."""
    try:
        plugin = plugins.find(plugins.CHECKS, kind)
        if plugins.normalized(plugin.distribution) not in map(plugins.normalized, trusted):
            return None
        made: type[Check] = plugins.load(plugins.CHECKS, kind)
        return made if made.bounded else None
    except PluginError as exc:
        return f"{exc.message} {exc.fix or ''}".strip()
    except Exception as exc:  # noqa: BLE001 - what an entry point names may be anything
        return f"The plug-in of kind {kind!r} is not a check: it raised {type(exc).__name__}. Ask its author."


async def _no_references(names: tuple[str, ...]) -> References:
    return {}


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000
