"""The rules of a form, `expression`, over a frame: polars from the checked tree, or from the verdicts on the rows of a repeat."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.expressions import CheckedRule
from collect_pipelines.rules.nodes import Call, Node
from collect_pipelines.rules.vectorized import verdicts
from collect_pipelines.validation.rows import BROKEN, ERRED, NOW, rows_verdict, value_name

__all__ = ["Judged", "judged_rules"]

# Of operands that are all there these always decide; everything else can overflow, divide by zero, or fail to convert.
CERTAIN = frozenset(
    {"&&", "||", "!", "==", "!=", "<", "<=", ">", ">=", "?:", "in", "one_of", "size", "answered", "startsWith", "endsWith", "contains",
     "matches", "today", "now", "string"}
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judged:
    """Where a rule is broken and where it could not be judged, over texts and values by column name."""

    checked: CheckedRule
    broken: pl.Expr
    erred: pl.Expr | None
    """None when the rule can't fail to be judged."""


def judged_rules(definition: FormDefinition) -> Iterator[Judged]:
    """Every rule of the version that is judged response by response, in order; also those with placement batch."""
    for checked in definition.checked.rules:
        if checked.root is not None:
            yield _of_rows(checked, definition) if checked.repeats else _of_response(checked, checked.root, definition)


def _of_response(checked: CheckedRule, root: Node, definition: FormDefinition) -> Judged:
    names = {key: value_name(definition.by_key[key]) for key in checked.keys}
    broken, erred = verdicts(root, lambda key: pl.col(names[key]), pl.col(NOW), checked.rule.on_missing)
    return Judged(checked, broken, erred if _can_err(root) else None)


def _can_err(node: Node) -> bool:
    return isinstance(node, Call) and (node.name not in CERTAIN or any(map(_can_err, node.args)))


def _of_rows(checked: CheckedRule, definition: FormDefinition) -> Judged:
    told = rows_verdict(checked, definition)
    return Judged(checked, told == BROKEN, told == ERRED)
