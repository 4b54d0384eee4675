"""
Rules over batches: `complete`, `volume` and `distribution`, measured on a batch and the batches before it.

A batch is what validation judges at one go. For `complete` and `distribution`, batches smaller than `min_rows` are joined with the ones
before them, so that a form whose responses arrive one by one is judged as well as one that arrives in files.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from collect_pipelines.forms.columns import column_name
from collect_pipelines.forms.definition import FormDefinition, FormRule
from collect_pipelines.validation.profiles import NUMBERS, Answers, Profile, joined

__all__ = ["BATCH_KINDS", "Measure", "batches_needed", "join_below", "measured"]

BATCH_KINDS = ("complete", "volume", "distribution")

MAX_JOINED = 1_000  # rows: batches are joined up to here when they are written; what needs more joins them when it looks
MAX_BATCHES = 2_000  # kept per form at most: the 1,000 a rule may look back on, and as many to make up its own batch
FEWEST_BATCHES = 3  # before this one, for a median to say anything
CHANCE = 3.0  # standard errors: how far a mean or a count strays by chance, 997 times of 1,000


@dataclass(frozen=True, slots=True)
class Measure:
    """What a rule found in a batch."""

    passed: bool
    observed: float | None
    """The share, the number of rows, or the shift; None while there is too little to look at."""
    sentence: str
    """For people, with numbers over many responses and no answer of one."""


def join_below(rules: Sequence[FormRule]) -> int:
    """Batches with fewer rows than this are joined with the next one."""
    return min(max((rule.min_rows for rule in rules if rule.kind != "volume"), default=1), MAX_JOINED)


def batches_needed(rules: Sequence[FormRule]) -> int:
    """How many joined batches the rules look back on, the present one included."""
    return min(max((rule.last + math.ceil(rule.min_rows / MAX_JOINED) + 1 for rule in rules), default=1), MAX_BATCHES)


def measured(rule: FormRule, definition: FormDefinition, batches: Sequence[Profile], *, full: bool = False) -> Measure:
    """
    What the rule says. batches: the present one, joined with what was below `join_below` before it, then the earlier ones, newest first.

    full: the present one was cut because there is more, so it says nothing about too few.
    """
    if rule.kind == "volume":
        return _volume(rule, [count for profile in batches for count in profile.volumes], full=full)
    key = rule.complete or rule.distribution or ""
    column = column_name(definition.by_key[key])
    if rule.kind == "complete":
        return _complete(rule, key, joined(batches[: rule.last]).of(column))
    return _distribution(rule, key, column, definition.by_key[key].type in NUMBERS, batches)


def _complete(rule: FormRule, key: str, answers: Answers) -> Measure:
    if answers.asked < rule.min_rows:
        told = f"`{key}` was asked in {answers.asked} responses of the last {rule.last} batches"
        return Measure(True, None, f"{told}; {rule.min_rows} are needed.")
    share = answers.answered / answers.asked
    told = f"`{key}` is answered in {_percent(share)} of {answers.asked:,} responses"
    passed = share >= rule.at_least
    return Measure(passed, share, f"{told}; at least {_percent(rule.at_least)} {'is asked for' if passed else 'should be'}.")


def _volume(rule: FormRule, volumes: Sequence[int], *, full: bool) -> Measure:
    count, before = volumes[0], volumes[1 : 1 + rule.last]
    low = rule.volume.min if rule.volume else None
    high = rule.volume.max if rule.volume else None
    if low is not None and count < low and not full:
        return Measure(False, count, f"The batch has {count:,} responses; at least {low:,} should come.")
    if high is not None and count > high:
        return Measure(False, count, f"The batch has {count:,} responses; at most {high:,} should come.")
    if rule.factor is not None and len(before) >= min(FEWEST_BATCHES, rule.last):
        # The median: the one batch that comes in after a standstill must not make all that follow look small.
        usual = statistics.median(before)
        most, fewest = usual * rule.factor, usual / rule.factor
        if count > most + _by_chance(most) or (count < fewest - _by_chance(fewest) and not full):
            told = f"The batch has {count:,} responses; the median of the last {len(before)} is {usual:,g}"
            return Measure(False, count, f"{told}, and {rule.factor:g} times more or fewer is too far.")
    return Measure(True, count, f"The batch has {count:,} responses.")


def _by_chance(count: float) -> float:
    """How far a number of responses that arrive independently strays."""
    return CHANCE * math.sqrt(count)


def _distribution(rule: FormRule, key: str, column: str, numbers: bool, batches: Sequence[Profile]) -> Measure:
    now, rest = _enough(column, rule.min_rows, numbers, batches)
    before = joined(rest[: rule.last]).of(column)
    if _size(now, numbers) < rule.min_rows or _size(before, numbers) < rule.min_rows:
        told = f"{_size(now, numbers)} answers now and {_size(before, numbers)} before"
        return Measure(True, None, f"`{key}` has {told}; {rule.min_rows} are needed of both.")
    shift, chance = _shift(now, before) if numbers else _distance(now, before)
    what = "its mean has moved by {:.2f} standard deviations" if numbers else "its choices have moved by {:.2f} (0 same, 1 all other)"
    limit = rule.tolerance + chance
    compared = min(len(rest), rule.last)
    told = f"`{key}`: {what.format(shift)} against the {'batch' if compared == 1 else f'{compared} batches'} before"
    passed = shift <= limit
    return Measure(passed, shift, f"{told}; up to {limit:.2f} is {'fine' if passed else 'tolerated'}, {chance:.2f} of it for chance.")


def _enough(column: str, least: int, numbers: bool, batches: Sequence[Profile]) -> tuple[Answers, Sequence[Profile]]:
    """The newest batches that have so many answers together, and those before; a present batch still too small is left out."""
    first = 0 if _size(batches[0].of(column), numbers) >= min(least, MAX_JOINED) or len(batches) == 1 else 1
    answers = batches[first].of(column)
    place = first + 1
    while _size(answers, numbers) < least and place < len(batches):
        answers = answers.joined(batches[place].of(column))
        place += 1
    return answers, batches[place:]


def _size(answers: Answers, numbers: bool) -> int:
    return answers.numbers if numbers else sum(answers.choices.values())


def _shift(now: Answers, before: Answers) -> tuple[float, float]:
    """How far the mean moved, in standard deviations of the answers before, and how far it may by chance."""
    squares, numbers = (before.squares, before.numbers) if before.squares > 0 else _both(now, before)
    deviation = math.sqrt(squares / numbers)
    moved = abs(now.mean - before.mean)
    return moved / deviation if deviation else 0.0, CHANCE * math.sqrt(1 / now.numbers + 1 / before.numbers)


def _both(now: Answers, before: Answers) -> tuple[float, int]:
    """All answers before were equal: the spread is that of both together."""
    both = now.joined(before)
    return both.squares, both.numbers


def _distance(now: Answers, before: Answers) -> tuple[float, float]:
    """Total variation distance of the shares of choices, and the most of it that chance is expected to bring."""
    here, there = _size(now, numbers=False), _size(before, numbers=False)
    distance = chance = 0.0
    for code in {**now.choices, **before.choices}:
        share, usual = now.choices.get(code, 0) / here, before.choices.get(code, 0) / there
        distance += abs(share - usual) / 2
        chance += math.sqrt(usual * (1 - usual) * (1 / here + 1 / there)) / 2
    return distance, chance


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"
