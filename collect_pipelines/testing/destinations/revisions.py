"""Scenarios of what comes: again, edited, deleted, in other pieces, with new questions, in every script and size."""

from collect_pipelines.destinations.interface import OnDelete
from collect_pipelines.errors import DeliveryError
from collect_pipelines.testing.destinations.asking import Asking
from collect_pipelines.testing.destinations.effects import texts_in
from collect_pipelines.testing.destinations.log import again
from collect_pipelines.testing.destinations.world import World
from collect_pipelines.testing.samples import TEXTS, sample_answers

__all__ = ["RevisionScenarios"]

MANY_ROWS = 200
HUGE_CHARACTERS = 400_000  # more than most receivers take in one value


class RevisionScenarios(Asking):
    """Promise 6 and what the capabilities claim."""

    def test_every_row_arrives(self) -> None:
        """A batch of some, of one, and of many rows."""
        with self.world() as world:
            log = world.log
            for number in (3, 1, min(self.destination.max_rows, MANY_ROWS)):
                self.deliver_all(world, *[log.create() for _ in range(number)])
            found = list(self.effects(world))
            delivered = list(world.account.newest().values())
            assert found or not delivered, (
                "everything was said to be delivered, and no effect was found. Define `effects` in the suite, so that it sees what the"
                " receiver holds"
            )
            assert delivered, f"nothing was delivered: {sorted(set(world.account.states.values()))}. Give a `config` that delivers"
            self.judge(world, "after ordinary batches")

    def test_a_batch_that_comes_again_has_its_effect_once(self) -> None:
        """The same batch, byte for byte, after it was delivered."""
        with self.world() as world:
            batch = self.deliver_all(world, *[world.log.create() for _ in range(3)])
            for attempt in (2, 3):
                self.settle(world, batch, attempt)
                self.judge(world, f"after the same batch came for the {attempt}. time")

    def test_if_keyed_rows_that_come_again_in_other_batches_have_their_effect_once(self) -> None:
        """`keyed` is what lets the core send a batch of uncertain outcome in other pieces."""
        if not self.destination.keyed:
            return self.skip("it does not claim to be keyed")
        with self.world() as world:
            entries = [world.log.create() for _ in range(4)]
            self.deliver_all(world, *entries)
            self.deliver_all(world, *entries[:1])
            self.deliver_all(world, *entries[1:], world.log.create())
            self.judge(world, "after rows of an earlier batch came in other batches (keyed)")
        return None

    def test_an_edit_arrives(self) -> None:
        """With `upsert` the row of its response changes; else the edit is an effect of its own, or is said to be skipped."""
        with self.world() as world:
            log = world.log
            one, other = log.create("before"), log.create()
            self.deliver_all(world, one, other)
            edited = log.edit(one, "after")
            self.deliver_all(world, edited, log.create())
            self.judge(world, "after an edit")
            if "upsert" in self.destination.supports:
                assert world.account.states[edited.number, 2] == "delivered", (
                    "it claims `upsert` and does not deliver an edit. Claim what it does"
                )

    def test_an_edit_of_a_response_it_never_had_arrives(self) -> None:
        """An integration may start in the middle of a log."""
        with self.world() as world:
            log = world.log
            unseen = log.create()
            self.deliver_all(world, log.edit(unseen), log.create())
            self.judge(world, "after an edit of a response that it never had")

    def test_an_old_batch_that_comes_late_does_not_overwrite_a_newer_revision(self) -> None:
        """A copy of it may have been under way."""
        if self.destination.guarantee != "exactly_once":
            return self.skip("the receiver tells revisions apart, or gets each at most once")
        with self.world() as world:
            log = world.log
            one = log.create("before")
            old = self.deliver_all(world, one, log.create())
            self.deliver_all(world, log.edit(one, "after"))
            self.send(world, again(old, 2))
            world.account.states.pop((one.number, 1), None)
            world.account.states[one.number, 1] = "delivered"
            self.judge(world, "after an old batch came once more, when its response had been edited")
        return None

    def test_deletions_do_what_they_say(self) -> None:
        """Each policy of `deletes`; also of responses it never had, and twice."""
        supports = "delete" in self.destination.supports
        assert supports == bool(self.destination.deletes), (
            f"supports is {sorted(self.destination.supports)} and deletes is {self.destination.deletes}. `deletes` lists what a deletion"
            " can do, and is empty exactly when `supports` has no `delete`"
        )
        if not supports:
            return self.skip("it does not claim to delete")
        for policy in self.policies:
            with self.world() as world:
                self._deleted(world, policy)
        return None

    def _deleted(self, world: World, policy: OnDelete) -> None:
        log = world.log
        one, other, never = log.create(), log.create(), log.create()
        self.deliver_all(world, one, other, on_delete=policy)
        gone = [log.delete(one), log.delete(never)]
        batch = self.deliver_all(world, *gone, log.create(), on_delete=policy)
        self.judge(world, f"after deletions (on_delete={policy})")
        self.settle(world, batch, 2)
        self.judge(world, f"after the same deletions once more (on_delete={policy})")
        assert world.account.states[one.number, 2] == "delivered", "it claims `delete` and does not deliver a deletion. Claim what it does"

    def test_if_it_appends_every_revision_is_a_row(self) -> None:
        """`append_only`: nothing is edited or removed, several rows may have one response."""
        if "append" not in self.destination.supports:
            return self.skip("it does not claim to append")
        with self.world() as world:
            log = world.log
            one = log.create()
            batch = self.deliver_all(world, one, log.edit(one, "second"), log.create(), append_only=True)
            self.judge(world, "after an append-only batch", "events")
            self.settle(world, batch, 2)
            self.deliver_all(world, log.edit(one, "third"), append_only=True)
            self.judge(world, "after append-only batches, one of which came twice", "events")
        return None

    def test_answers_to_new_questions_arrive(self) -> None:
        """The form gets a question more between two batches."""
        with self.world() as world:
            log = world.log
            self.deliver_all(world, log.create())
            log.ask_more()
            entry = log.create()
            self.deliver_all(world, entry)
            self.judge(world, "after the form got a new question")
            if self.shows_every_answer and world.account.states[entry.number, 1] == "delivered":
                wanted = f"new {entry.mark}"
                texts = [text for effect in self.effects(world) for text in texts_in(effect.content)]
                assert any(wanted in text for text in texts), (
                    "the answer to a new question is not there. Read `batch.columns` of every batch: they become more"
                )

    def test_texts_of_every_script_arrive_as_they_are(self) -> None:
        """Scripts, emoji, quotes, line ends, HTML, formulas, templates, joiners, marks of direction; and texts of 200,000 characters."""
        with self.world() as world:
            entries = {name: world.log.create(text) for name, text in TEXTS.items()}
            texts = {entries[name].number: (name, text) for name, text in TEXTS.items()}
            self.deliver_all(world, *entries.values())
            self.judge(world, "after texts of every script")
            self._arrived(world, texts)

    def _arrived(self, world: World, texts: dict[int, tuple[str, str]]) -> None:
        shown: dict[int, bool] = {}
        for effect in self.effects(world):
            for text in texts_in(effect.content):
                for number, (_, sent) in texts.items():
                    mark = f"mark{number}r1x"
                    if mark in text:
                        shown[number] = shown.get(number, False) or self.arrives(f"{mark} {sent}"[: self.longest_text], text)
        for number, (name, _) in texts.items():
            delivered = world.account.states[number, 1] == "delivered"
            assert not delivered or shown.get(number), (
                f"the text {name!r} did not arrive as it was sent. Write texts character by character; if the receiver takes only so many,"
                " say so with `longest_text`"
            )

    def arrives(self, sent: str, found: str) -> bool:
        """Whether a text of the receiver holds what was sent."""
        return sent in found

    def test_huge_values_arrive_or_are_refused(self) -> None:
        """A text too long for most receivers never holds up the others."""
        with self.world() as world:
            log = world.log
            entries = [log.create(), log.create("long " * (HUGE_CHARACTERS // 5)), log.create()]
            batch = log.batch(entries)
            error = self.failure_of(world, lambda: self.send(world, batch), "with a huge value")
            if error is None:
                self.settle_rest(world, batch, error)
                self.judge(world, "after a huge value")
                return
            for entry in (entries[0], entries[2]):
                self.deliver_all(world, entry)  # the core singles it out
            self.judge(world, f"after a huge value ({error})")

    def test_all_kinds_of_answers_arrive(self) -> None:
        """Of every type, ordinary and odd: nothing of it fails a batch."""
        with self.world() as world:
            log = world.log
            text = self.marked
            odd = [{key: value for key, value in answers.items() if key != text} for name, answers in sample_answers(self._form)]
            entries = [log.create("odd", **{key: answers.get(key) for key in self._keys()}) for answers in odd]
            for start in range(0, len(entries), self.destination.max_rows):
                batch = log.batch(entries[start : start + self.destination.max_rows])
                try:
                    self.settle(world, batch)
                except DeliveryError as exc:
                    raise AssertionError(f"odd answers failed a batch: {exc}. Refuse a row with Outcome.refused, not the batch") from exc
            self.judge(world, "after odd answers")

    def _keys(self) -> list[str]:
        return [question.key for question in self._form.answerable if question.key != self.marked and question.type != "phone"]
