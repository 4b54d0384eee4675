"""
Rules `unique`: no two responses of a form may share these answers. Judged entry by entry in the order of the log.

What a response holds is what its last entry that was let through says; an entry that is held back claims nothing, a deletion lets go.
"""

import hashlib
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import polars as pl

from collect_pipelines.forms.columns import column_name, first_key
from collect_pipelines.forms.definition import FormDefinition, FormRule
from collect_pipelines.validation.values import rule_value

__all__ = ["Claim", "Entry", "Register", "UniqueRule", "digests", "unique_rules", "uniques_of"]

# Writing a number by hand, people put these anywhere; what is left of a phone number tells two of them apart.
PHONE_NOISE = r"[^0-9+]"
LAST_PLANE = 0x20000  # beyond it there are ideographs only
DIGITS = {
    character: str(unicodedata.decimal(character))
    for character in map(chr, range(0x80, LAST_PLANE))
    if unicodedata.category(character) == "Nd"
}
"""Digits of other scripts, in which people write their numbers, too."""
SEPARATOR = b"\x00"  # no answer holds it: Postgres does not store it


@dataclass(frozen=True, slots=True)
class UniqueRule:
    """What is looked up in all versions that have a rule of this name over the same questions."""

    name: str
    questions: tuple[str, ...]
    """The keys they had first, so that renaming a question changes nothing."""

    @property
    def key(self) -> str:
        """Its name in the store. A rule that is changed to other questions begins with a history of its own."""
        return f"{self.name}({','.join(self.questions)})"


def unique_rules(definitions: Iterable[FormDefinition]) -> tuple[UniqueRule, ...]:
    """Every rule `unique` of these versions, each once."""
    return tuple(dict.fromkeys(unique for definition in definitions for unique in uniques_of(definition)))


def uniques_of(definition: FormDefinition) -> dict[UniqueRule, FormRule]:
    """The rules `unique` of one version, as they are looked up and as they are written."""
    by_key = definition.by_key
    return {UniqueRule(rule.name, tuple(first_key(by_key[key]) for key in rule.unique)): rule for rule in definition.rules if rule.unique}


def digests(rule: UniqueRule, definition: FormDefinition, frame: pl.DataFrame) -> list[bytes | None]:
    """
    What each row answers to the rule's questions together, as a digest; None where one of the answers is missing.

    `frame` holds answers as text under column names. Equal are values of the same type: 1 and 1.0, the same moment in two zones,
    an email in capitals, a phone number with spaces.
    """
    by_first_key = {first_key(question): question for question in definition.answerable}
    questions = [by_first_key.get(key) for key in rule.questions]
    columns = [
        _canonical(pl.col(column_name(one)), one.type).alias(str(place))
        for place, one in enumerate(questions)
        if one is not None and column_name(one) in frame.columns
    ]
    if len(columns) < len(questions):
        return [None] * frame.height
    return [None if None in row else _digest(rule, row) for row in frame.select(columns).iter_rows()]


def _digest(rule: UniqueRule, row: tuple[str, ...]) -> bytes:
    # Promise 10: the table of values held tells nobody an answer, and the same answer looks different under another rule
    return hashlib.sha256(SEPARATOR.join(part.encode() for part in (rule.key, *row))).digest()


def _canonical(text: pl.Expr, kind: str) -> pl.Expr:
    """One text for all spellings of a value; null when there is no value of the type."""
    value = rule_value(text, kind)
    if kind == "decimal":
        return pl.when(value == 0).then(0.0).otherwise(value).cast(pl.String)  # there is a -0.0
    if kind == "datetime":
        return value.dt.timestamp("us").cast(pl.String)
    if kind == "email":
        return value.str.to_lowercase()
    if kind == "phone":
        digits = value.str.replace_many(DIGITS).str.replace_all(PHONE_NOISE, "")
        return pl.when(digits != "").then(digits)
    return value.cast(pl.String)


@dataclass(frozen=True, slots=True)
class Claim:
    """A value held by a response since a position."""

    value: bytes
    position: int


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the log, for the register."""

    position: int
    response: str
    values: Mapping[str, bytes | None]
    """Digest by rule key; no member for a deletion."""
    judged: Mapping[str, bool] = field(default_factory=dict)
    """Keys of the rules that its version has, and whether breaking one holds the entry back."""
    held: bool = False
    """Held back for another reason."""


class Register:
    """Who holds what, as far as the responses of one batch are concerned. Memory grows with the batch only."""

    def __init__(
        self, rules: Collection[UniqueRule], holding: Mapping[tuple[str, str], Claim], taken: Mapping[tuple[str, bytes], str]
    ) -> None:
        """
        holding: what the batch's responses hold, by rule key and response. taken: a holder among all others, by rule key and value.
        """
        self._rules = [rule.key for rule in rules]
        self._taken = taken
        self._claims: dict[tuple[str, str], Claim] = {}
        self._holders: dict[tuple[str, bytes], dict[str, None]] = {}
        """Responses of the batch that hold a value, the one that has held it longest first."""
        for mine, claim in sorted(holding.items(), key=lambda item: item[1].position):
            self._hold(mine, claim)

    def judge(self, entries: Iterable[Entry]) -> Iterator[dict[str, str]]:
        """For each entry, in order: the rules it breaks, each with the response that holds the value."""
        for entry in entries:
            rivals = {rule: rival for rule in entry.judged if (rival := self._rival(rule, entry)) is not None}
            if not entry.held and not any(entry.judged[rule] for rule in rivals):
                for rule in self._rules:
                    self._let_through(rule, entry)
            yield rivals

    def claims(self) -> list[tuple[str, str, Claim]]:
        """Rule, response and claim after all entries."""
        return [(rule, response, claim) for (rule, response), claim in self._claims.items()]

    def _rival(self, rule: str, entry: Entry) -> str | None:
        """Who holds the entry's value, unless the response does itself: who has it already may keep it, whoever else does."""
        value, mine = entry.values.get(rule), self._claims.get((rule, entry.response))
        if value is None or (mine is not None and mine.value == value):
            return None
        return next(iter(self._holders.get((rule, value), ())), None) or self._taken.get((rule, value))

    def _let_through(self, rule: str, entry: Entry) -> None:
        mine = (rule, entry.response)
        value = entry.values.get(rule)
        before = self._claims.get(mine)
        if before is not None and before.value == value:
            return
        if before is not None:
            del self._claims[mine], self._holders[rule, before.value][entry.response]
        if value is not None:
            self._hold(mine, Claim(value, entry.position))

    def _hold(self, mine: tuple[str, str], claim: Claim) -> None:
        rule, response = mine
        self._claims[mine] = claim
        self._holders.setdefault((rule, claim.value), {})[response] = None
