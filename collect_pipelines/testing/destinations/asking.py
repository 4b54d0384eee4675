"""How the suite hands batches to a destination: as the core does."""

import math
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

from collect_pipelines.destinations.interface import Batch, Delivery, Destination, OnDelete, Outcome
from collect_pipelines.errors import Blocked, DeliveryError, Refused, TryLater
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.testing.destinations.context import FileContext
from collect_pipelines.testing.destinations.effects import Shape, Verdict
from collect_pipelines.testing.destinations.log import Entry, SampleLog
from collect_pipelines.testing.destinations.nursery import Job, Nursery, reference_to
from collect_pipelines.testing.destinations.saying import Saying
from collect_pipelines.testing.destinations.steps import Action
from collect_pipelines.testing.destinations.world import World
from collect_pipelines.testing.samples import every_type_form
from collect_pipelines.testing.watching import TookTooLong, within

__all__ = ["Asking", "during", "told"]

USUAL_WAIT_SECONDS = 60.0  # between two tries when nobody says how long to wait
TRIES = 40  # how often the core's part is played before a batch counts as stuck
STATES = ("delivered", "skipped", "refused", "unknown", "later")
MARGIN_SECONDS = 10.0  # a call that takes longer than it may, by so much, is stopped
CHILD_SECONDS = 120.0  # for one delivery in a process of its own, on a busy machine


class Asking(Saying):
    """How a suite drives its destination."""

    _nursery: ClassVar[Nursery | None] = None
    _made_frames: ClassVar[dict[Any, Any] | None] = None

    def skip(self, why: str) -> None:
        """Notes that a requirement does not concern this destination."""
        self.not_applicable = why

    @classmethod
    def teardown_class(cls) -> None:
        """Ends the process that deliveries are forked from."""
        if cls._nursery is not None:
            cls._nursery.close()
            cls._nursery = None
        cls._made_frames = None

    @property
    def policies(self) -> tuple[OnDelete, ...]:
        """What deletions can do, the usual first."""
        return tuple(self.destination.deletes) or ("tombstone",)

    @property
    def shape(self) -> Shape:
        """What its effects are."""
        return self.effects_are or ("rows" if "upsert" in self.destination.supports else "events")

    @contextmanager
    def world(self) -> Iterator[World]:
        """A new world, with an empty receiver."""
        log = SampleLog(self._form, self.marked, self.destination.values, rendered=self._rendered)
        world = World(log, self.answer)
        try:
            world.settings.update(self.settings(world))
            self.config(world)  # secrets and the receiver it asks for exist from the beginning
            yield world
        finally:
            world.close()

    @contextmanager
    def worker(self, world: World, context: FileContext | None = None, **config: Any) -> Iterator[Destination]:
        """A destination object as a new worker makes it; closed afterwards."""
        given = {**self.config(world), **config}
        lent = context or world.context()
        made = self.destination(self.destination.Config.model_validate(given), lent)
        if hasattr(made, "clock"):
            made.clock = lent.core.now
        try:
            yield made
        finally:
            made.close()

    def send(self, world: World, batch: Batch, context: FileContext | None = None) -> Delivery:
        """One delivery by a new worker; its outcomes are judged as such and noted."""
        entries = self.entries_of(world, batch)
        world.account.sent(entries, batch)
        before = batch.frame.clone()
        with self.worker(world, context) as made:
            delivery = made.deliver(batch)
        same = batch.frame.columns == before.columns and batch.frame.equals(before)
        assert same, "it changed the batch's frame; the core may hand it over again. Work on a copy"
        self.judge_delivery(world, batch, delivery)
        world.account.note(entries, batch, delivery.outcomes)
        world.outcomes = delivery.outcomes
        if any(outcome.state in ("later", "refused", "skipped") for outcome in delivery.outcomes):
            problem = next(self._verdict(world).untrue_denials(), None)
            assert problem is None, problem
        return delivery

    def settle(self, world: World, batch: Batch, first: int = 1) -> None:
        """The core's part: the batch again until it is done with, and rows that are to come later in batches of their own."""
        waiting, last = [(batch, first)], "some of its rows are always to come later"
        for _ in range(TRIES):
            if not waiting:
                return
            one, number = waiting.pop(0)
            try:
                self.send(world, replace(one, attempt=number))
            except TryLater as exc:
                world.core().let_pass(exc.after or USUAL_WAIT_SECONDS)
                waiting.insert(0, (one, number + 1))
                last = told(exc)
            except (Blocked, Refused) as exc:
                raise AssertionError(f"it raised {told(exc)}, and nothing was wrong any more. Raise TryLater for what passes") from exc
            else:
                waiting += [(retry, 1) for retry in self._to_come(world, one)]
        raise AssertionError(f"a batch was still not done with after {TRIES} tries, and nothing was wrong any more: {last}")

    def settle_rest(self, world: World, batch: Batch, error: DeliveryError | None) -> None:
        """The same after one delivery, which raised the error or gave outcomes."""
        if error is not None:
            world.core().let_pass(getattr(error, "after", None) or USUAL_WAIT_SECONDS)
            self.settle(world, batch, 2)
            return
        for retry in self._to_come(world, batch):
            self.settle(world, retry)

    def _to_come(self, world: World, batch: Batch) -> list[Batch]:
        """A batch of the rows that the last delivery put off, if there are any."""
        rows = zip(self.entries_of(world, batch), world.outcomes, strict=True)
        again = [(entry, outcome) for entry, outcome in rows if outcome.state == "later" or outcome.after is not None]
        if not again:
            return []
        world.core().let_pass(max(outcome.after or USUAL_WAIT_SECONDS for _, outcome in again))
        entries = [entry for entry, _ in again]
        return [world.log.batch(entries, purpose="retry", on_delete=batch.on_delete, append_only=batch.append_only)]

    def entries_of(self, world: World, batch: Batch) -> list[Entry]:
        """The entries of a batch."""
        return [world.log.entries[position - 1] for position in batch.frame["_position"].to_list()]

    def deliver_all(self, world: World, *entries: Entry, **more: Any) -> Batch:
        """A batch of these entries, delivered until it is done with."""
        batch = world.log.batch(entries, **more)
        self.settle(world, batch)
        return batch

    def judge(self, world: World, when: str, shape: Shape | None = None) -> None:
        """What the receiver holds is what the outcomes and the guarantee say."""
        problem = next(self._verdict(world, shape).problems(), None)
        assert problem is None, f"{when}: {problem}"

    def _verdict(self, world: World, shape: Shape | None = None) -> Verdict:
        return Verdict(world.account, self.destination.guarantee, shape or self.shape, list(self.effects(world)))

    def judge_delivery(self, world: World, batch: Batch, delivery: Any) -> None:
        """A Delivery with one outcome per row, in words that may be shown."""
        assert isinstance(delivery, Delivery), f"deliver returned {type(delivery).__name__}; return a Delivery"
        outcomes = delivery.outcomes
        rows = batch.frame.height
        assert len(outcomes) == rows, f"deliver returned {len(outcomes)} outcomes for {rows} rows; return one per row, in order"
        for outcome in outcomes:
            assert isinstance(outcome, Outcome) and outcome.state in STATES, f"{outcome!r} is no Outcome; use Outcome.delivered() and so on"
            soon = outcome.after is None or (math.isfinite(outcome.after) and outcome.after >= 0)
            assert soon, f"an outcome is to come again after {outcome.after} seconds"
            needs = outcome.state == "delivered" or bool(outcome.reason)
            assert needs, f"an outcome `{outcome.state}` has no reason; operators read it"
            self.judge_words(world, f"the reason of an outcome `{outcome.state}`", outcome.reason or "")

    def judge_words(self, world: World, what: str, words: str) -> None:
        """No secret and no answer in what operators, logs and pages show."""
        for reference, value in world.secrets.items():
            assert value not in words, (
                f"{what} shows the secret {reference}: {words.replace(value, '***')!r:.200}. Never put one into a text"
            )
        for entry in world.log.entries:
            assert entry.mark not in words, f"{what} shows an answer: {words!r:.200}. Say what is wrong without what was answered"

    def failure_of(self, world: World, call: Callable[[], Any], when: str) -> DeliveryError | None:
        """The error the call raised, judged as one; None when it raised none."""
        try:
            with within(self.gives_up_seconds + MARGIN_SECONDS):
                call()
        except TookTooLong:
            raise AssertionError(f"{when}: it had not ended after {self.gives_up_seconds + MARGIN_SECONDS:.0f} s") from None
        except DeliveryError as exc:
            self.judge_words(world, f"{when}: the text of its {type(exc).__name__}", f"{exc} {exc.fix or ''}")
            fine = not isinstance(exc, Blocked) or (exc.reason.strip() and (exc.fix or "").strip())
            assert fine, f"{when}: Blocked without a reason or a fix; say what a person is to do"
            return exc
        except AssertionError:
            raise
        except Exception as exc:
            raise AssertionError(
                f"{when}: it raised {told(exc)}. Raise TryLater (say whether it may have been applied), Blocked or Refused"
            ) from exc
        return None

    # Processes.

    def job(self, world: World, batch: Batch, at: int | None = None, action: Action = "kill") -> Job:
        """A job for a child: one delivery, interrupted at the moment `at`."""
        world.account.sent(self.entries_of(world, batch), batch)
        return Job(
            reference_to(self.destination), pickle.dumps(dict(self.config(world))), pickle.dumps(batch), world.core(),
            str(world.folder), str(world.place("result")), at, action,
        )  # fmt: skip

    @property
    def nursery(self) -> Nursery:
        """The process that deliveries are forked from; one for all scenarios of the class."""
        made = type(self)
        if made._nursery is None:
            made._nursery = Nursery(CHILD_SECONDS)
        return made._nursery

    @property
    def _form(self) -> FormDefinition:
        made = type(self)
        known = made.__dict__.get("_made_form")
        if known is None:
            known = self.form if isinstance(self.form, FormDefinition) else None
            known = known or (FormDefinition.model_validate(self.form) if self.form else every_type_form())
            made._made_form = known  # type: ignore[attr-defined]
        return known

    @property
    def _rendered(self) -> dict[Any, Any]:
        made = type(self)
        known = made.__dict__.get("_made_frames")
        if known is None:  # of its own: the form and the kind may differ from those of the suite it is made from
            known = made._made_frames = {}
        return known


@contextmanager
def during(when: str) -> Iterator[None]:
    """Says when it was that a requirement was not met."""
    try:
        yield
    except AssertionError as exc:
        raise AssertionError(f"{when}: {exc}") from exc.__cause__


def told(error: BaseException) -> str:
    """An exception in a few words."""
    return f"{type(error).__name__}: {error!s:.300}"
