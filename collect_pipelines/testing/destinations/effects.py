"""What a receiver holds, as the suite sees it, and whether that is what the outcomes and the guarantee say."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from collect_pipelines.destinations.interface import Batch, Guarantee, OnDelete, Outcome
from collect_pipelines.testing.destinations.log import Entry, SampleLog, marks_in

__all__ = ["Account", "Effect", "Shape", "Verdict", "texts_in"]

Shape = Literal["rows", "events"]
"""`rows`: the receiver shows one row per response, its newest revision. `events`: it got one thing per revision."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One thing in the receiver: a row, a file, a message, a request it applied."""

    content: Any
    """Text, or a mapping or list with texts in it, as a person or program would read them there."""
    response_id: str | None = None
    """Unset: found out from ids or marked texts in the content."""
    revision: int | None = None
    """Unset: found out from a marked text in the content."""
    removed: bool = False
    """It says that the response was deleted."""
    key: str | None = None
    """By which the receiver can tell that it has had this before: needed for `at_least_once`."""


def texts_in(content: Any) -> Iterator[str]:
    """Every text in the content, keys left out."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, bytes):
        yield content.decode("utf-8", "replace")
    elif isinstance(content, Mapping):
        for value in content.values():
            yield from texts_in(value)
    elif isinstance(content, Iterable):
        for value in content:
            yield from texts_in(value)
    elif content is not None:
        yield str(content)


@dataclass
class Seen:
    """An effect, and whose it is."""

    effect: Effect
    number: int
    revision: int | None


@dataclass
class Account:
    """What the destination said of each entry, in the order in which it said so."""

    log: SampleLog
    states: dict[tuple[int, int], str] = field(default_factory=dict)
    """The latest state by number and revision."""
    policies: dict[tuple[int, int], OnDelete] = field(default_factory=dict)
    batches: dict[tuple[int, int], set[int]] = field(default_factory=lambda: defaultdict(set))

    def sent(self, entries: Iterable[Entry], batch: Batch) -> None:
        """A batch of these entries was handed over."""
        for entry in entries:
            self.batches[entry.number, entry.revision].add(batch.batch_no)

    def note(self, entries: Iterable[Entry], batch: Batch, outcomes: Iterable[Outcome]) -> None:
        """The outcomes of a batch."""
        for entry, outcome in zip(entries, outcomes, strict=True):
            self.states[entry.number, entry.revision] = outcome.state
            self.policies[entry.number, entry.revision] = batch.on_delete

    def newest(self) -> dict[int, Entry]:
        """By response, the newest revision that was said to be delivered."""
        found: dict[int, Entry] = {}
        for entry in self.log.entries:
            if self.states.get((entry.number, entry.revision)) == "delivered":
                found[entry.number] = entry
        return found


@dataclass
class Verdict:
    """Compares effects with an account."""

    account: Account
    guarantee: Guarantee
    shape: Shape
    effects: list[Effect]

    def problems(self) -> Iterator[str]:
        """What is wrong, in words: what was found and what to do."""
        seen = list(self._seen())
        yield from (one for one in seen if isinstance(one, str))
        found = [one for one in seen if isinstance(one, Seen)]
        yield from self._rows(found) if self.shape == "rows" else self._events(found)
        yield from self._never(found)
        if self.guarantee == "at_least_once":
            yield from self._keys(found)

    def _seen(self) -> "Iterator[Seen | str]":
        known = {entry.response_id: entry.number for entry in self.account.log.entries}
        for effect in self.effects:
            texts = list(texts_in(effect.content))
            marks = sorted({mark for text in texts for mark in marks_in(text)})
            ids = {known[text] for text in texts if text in known} | {number for number, _ in marks}
            number = known.get(effect.response_id or "", next(iter(ids), None))
            if number is None:
                yield f"there is something of no response that was sent: {effect.content!r:.200}. Leave it out in `effects`"
                continue
            if len({n for n, _ in marks} | {number}) > 1:
                yield f"one effect holds answers of several responses: {effect.content!r:.200}. `effects` gives one Effect per response"
                continue
            revision = effect.revision or max((revision for _, revision in marks), default=None)
            yield Seen(effect, number, revision)

    def _rows(self, found: list[Seen]) -> Iterator[str]:
        for number, entry in self.account.newest().items():
            rows = [one for one in found if one.number == number]
            name = _name(entry)
            policy = self.account.policies[entry.number, entry.revision]
            if entry.operation == "delete":
                yield from self._deleted(name, rows, policy)
                continue
            yield from self._counted(name, rows)
            for row in rows:
                if row.effect.removed:
                    yield f"{name} is shown as deleted, and it is not. Mark a row as deleted only for `_operation` = delete"
                elif row.revision is None:
                    yield f"the row of {name} does not tell its revision: {row.effect.content!r:.200}. Does it hold its answers?"
                elif row.revision != entry.revision:
                    yield (f"{name} shows revision {row.revision}. The last revision wins: never write an older one over a newer one")

    def _deleted(self, name: str, rows: list[Seen], policy: OnDelete) -> Iterator[str]:
        answers = [row for row in rows if any(list(marks_in(text)) for text in texts_in(row.effect.content))]
        if answers:
            yield f"answers of {name} are still there: {answers[0].effect.content!r:.200}. `{policy}` must not leave them"
        elif policy == "delete" and rows:
            yield f"the row of {name} is still there. `delete` removes it; claim `tombstone` in `deletes` if it can't"
        elif policy == "tombstone" and any(not row.effect.removed for row in rows):
            yield f"the row of {name} does not say that it was deleted. `tombstone` says so (`effects`: removed=True)"
        elif len(rows) > 1:
            yield from self._counted(name, rows)

    def _events(self, found: list[Seen]) -> Iterator[str]:
        for one in found:
            if one.revision is None and not one.effect.removed:
                yield f"an effect does not tell its revision: {one.effect.content!r:.200}. Does it hold its answers?"
        for entry in self.account.log.entries:
            if self.account.states.get((entry.number, entry.revision)) != "delivered":
                continue
            if entry.operation == "delete":
                rows = [one for one in found if one.number == entry.number and one.effect.removed]
            else:
                rows = [one for one in found if (one.number, one.revision) == (entry.number, entry.revision) and not one.effect.removed]
            yield from self._counted(_name(entry), rows)

    def _counted(self, name: str, rows: list[Seen]) -> Iterator[str]:
        if not rows:
            yield f"{name} is said to be delivered and is not there. Say `delivered` only of what the receiver has confirmed"
        elif len(rows) > 1 and self.guarantee == "exactly_once":
            yield (
                f"{name} is there {len(rows)} times. exactly_once: let the receiver refuse what it has (a key of its own, a marker in the"
                " same transaction), or claim at_least_once"
            )
        elif len(rows) > 1 and self.guarantee == "at_most_once":
            yield f"{name} is there {len(rows)} times. at_most_once: note it in the journal before it is sent, never send what is noted"

    def untrue_denials(self) -> Iterator[str]:
        """Whatever is said not to have had its effect, has none."""
        return self._denied([one for one in self._seen() if isinstance(one, Seen)])

    def _never(self, found: list[Seen]) -> Iterator[str]:
        yield from self._denied(found)
        for entry, rows in self._in_state(found, "unknown"):
            if len(rows) > 1 and self.guarantee != "at_least_once":
                yield f"{_name(entry)} is there {len(rows)} times after an outcome `unknown`. Look it up before it is sent again"
            elif self.guarantee != "at_most_once":
                yield (
                    f"{_name(entry)} was left unknown. {self.guarantee}: raise TryLater(unknown=True), or say Outcome.unknown with `after`,"
                    " and it comes again"
                )

    def _denied(self, found: list[Seen]) -> Iterator[str]:
        # a receiver that is told a second time under the same key takes no harm: there `later` may also be unsure
        for state in ("skipped", "refused") if self.guarantee == "at_least_once" else ("skipped", "refused", "later"):
            for entry, rows in self._in_state(found, state):
                if rows:
                    yield f"{_name(entry)} is said to be {state}, and it is there. Say `delivered`, or `unknown` when it can't be found out"

    def _in_state(self, found: list[Seen], wanted: str) -> Iterator[tuple[Entry, list[Seen]]]:
        for entry in self.account.log.entries:
            same = (entry.number, entry.revision)
            if entry.operation != "delete" and self.account.states.get(same) == wanted:
                yield entry, [one for one in found if (one.number, one.revision) == same]

    def _keys(self, found: list[Seen]) -> Iterator[str]:
        by_entry: dict[tuple[int, Any], set[str | None]] = defaultdict(set)
        by_key: dict[str, set[tuple[int, int]]] = defaultdict(set)
        for one in found:
            by_entry[one.number, one.revision if not one.effect.removed else "removed"].add(one.effect.key)
            if one.effect.key is not None and one.revision is not None:
                by_key[one.effect.key].add((one.number, one.revision))
        for (number, revision), keys in by_entry.items():
            if None in keys:
                yield (
                    f"revision {revision} of response {number} came without a key. at_least_once: send a key with which the receiver can"
                    " tell what it has had (`effects`: key=...)"
                )
            elif len(keys) > 1:
                yield f"revision {revision} of response {number} came under {len(keys)} keys. The key must be the same each time it is sent"
        for key, entries in by_key.items():
            batches = [self.account.batches[entry] for entry in entries]
            if len(entries) > 1 and not set.intersection(*batches):
                yield f"the key {key!r} came with responses of different batches: the second would be taken for the first. Make it unique"


def _name(entry: Entry) -> str:
    return f"response {entry.number} (revision {entry.revision}, {entry.operation})"
