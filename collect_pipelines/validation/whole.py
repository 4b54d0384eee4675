"""A micro-batch as a whole: which responses share what must be unique, and how it looks beside the batches before it."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import polars as pl

from collect_pipelines.forms.columns import column_name
from collect_pipelines.forms.definition import FormDefinition, FormRule, Question
from collect_pipelines.forms.rule_findings import rule_finding
from collect_pipelines.model import Finding
from collect_pipelines.validation.batch_rules import BATCH_KINDS, Measure, join_below, measured
from collect_pipelines.validation.profiles import Profile, joined, profile_of
from collect_pipelines.validation.uniques import Entry, Register, UniqueRule, digests, uniques_of
from collect_pipelines.validation.values import rule_value

__all__ = ["UNJUDGED", "Whole", "log_entries", "over_many"]

UNJUDGED = ("delete", "release")  # there are no answers; and a person has decided already


def over_many(definition: FormDefinition) -> tuple[FormRule, ...]:
    """The rules `complete`, `volume` and `distribution` of a version."""
    return tuple(rule for rule in definition.rules if rule.kind in BATCH_KINDS)


def log_entries(
    rules: Collection[UniqueRule], versions: Mapping[int, FormDefinition], frame: pl.DataFrame, held: Collection[int] = ()
) -> list[Entry]:
    """
    The rows of the log for the register, in the order of the frame. Rules are looked up in all versions, and judged in their own.

    held: positions that are held back for another reason.
    """
    values: dict[int, dict[str, bytes | None]] = {}
    judged: dict[int, dict[str, bool]] = {}
    for version, definition in versions.items():
        rows = frame.filter((pl.col("_version") == version) & (pl.col("_operation") != "delete"))
        if rows.is_empty():
            continue
        positions = rows["_position"].to_list()
        values |= {position: {} for position in positions}
        for rule in rules:
            for position, value in zip(positions, digests(rule, definition, rows), strict=True):
                values[position][rule.key] = value
        judged[version] = {unique.key: rule.severity == "reject" for unique, rule in uniques_of(definition).items()}
    return [
        Entry(position, response, values.get(position, {}), {} if operation in UNJUDGED else judged[version], position in held)
        for position, response, version, operation in frame.select("_position", "_response_id", "_version", "_operation").iter_rows()
    ]


class Whole:
    """What Great Expectations is asked about after every row was judged by itself. Computed once, when it asks."""

    def __init__(
        self,
        versions: Mapping[int, FormDefinition],
        frame: pl.DataFrame,
        entries: Sequence[Entry],
        register: Register,
        earlier: Sequence[Profile] = (),
        *,
        full: bool = False,
    ) -> None:
        """
        versions: all up to the newest, by number. frame: the rows of `entries`, answers as text under column names.
        earlier: profiles of the batches before, newest first. full: the batch was cut because there is more.
        """
        self.versions = versions
        self.newest = versions[max(versions)]
        self.frame = frame
        self.rules = () if frame["_operation"].is_in(UNJUDGED).all() else over_many(self.newest)
        """Those over batches; none for a batch of deletions only."""
        self.register = register
        self._entries, self._earlier, self._full = entries, earlier, full

    @cached_property
    def rivals(self) -> list[dict[str, str]]:
        """For each row: the unique rules it breaks, each with the response that has the same answers."""
        return list(self.register.judge(self._entries))

    @cached_property
    def profile(self) -> Profile:
        """The entries that are let through, alone: not joined with what was before."""
        let_through = [
            not entry.held and not any(entry.judged[rule] for rule in rivals)
            for entry, rivals in zip(self._entries, self.rivals, strict=True)
        ]
        judged = ~pl.col("_operation").is_in(UNJUDGED)
        rows = self.frame.filter(pl.Series(let_through, dtype=pl.Boolean)).filter(judged)
        return profile_of(rows, self.frame.filter(judged).height, self._looked_at())

    @cached_property
    def continued(self) -> bool:
        """Whether the batch before was so small that this one goes on with it."""
        return bool(self._earlier) and self._earlier[0].rows < join_below(self.rules)

    @cached_property
    def batch(self) -> Profile:
        """This batch, joined with the one it goes on with."""
        return joined([self.profile, self._earlier[0]]) if self.continued else self.profile

    def failing(self) -> dict[str, list[int]]:
        """Row numbers by key of the unique rule."""
        found: dict[str, list[int]] = {unique.key: [] for definition in self.versions.values() for unique in uniques_of(definition)}
        for row, rivals in enumerate(self.rivals):
            for rule in rivals:
                found[rule].append(row)
        return found

    def measures(self) -> dict[str, Measure]:
        """What each rule over batches of the newest version finds, by its name."""
        before = self._earlier[1:] if self.continued else self._earlier
        batches = [self.batch, *before]
        return {rule.name: measured(rule, self.newest, batches, full=self._full) for rule in self.rules}

    def finding(self, key: str, row: int) -> Finding:
        """What is said about a row that shares its answers with an earlier response."""
        definition = self.versions[self.frame["_version"][row]]
        rule = next(rule for unique, rule in uniques_of(definition).items() if unique.key == key)
        return rule_finding(definition, rule, rule.questions or rule.unique, definition.languages[0], earlier=self.rivals[row][key])

    def _looked_at(self) -> list[tuple[Question, pl.Expr | None]]:
        keys = dict.fromkeys(rule.complete or rule.distribution or "" for rule in self.rules if rule.kind != "volume")
        return [(self.newest.by_key[key], self._asked(key)) for key in keys]

    def _asked(self, key: str) -> pl.Expr | None:
        """Where the question is asked at all: an answer that nobody wants is not missing."""
        from collect_pipelines.rules.vectorized import expression

        root = self.newest.checked.relevance.get(key)
        if root is None:
            return None
        return expression(root, self._value, pl.col("_received_at")).fill_null(False)

    def _value(self, key: str) -> pl.Expr:
        question = self.newest.by_key[key]
        return rule_value(pl.col(column_name(question)), question.type)
