"""What a person should know about a mapping that can be used."""

from collections.abc import Iterator, Sequence

from collect_pipelines.forms.columns import Column
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.rules.nodes import Call, Field, Literal, Node
from collect_pipelines.sync.mapping.columns import by_any_key, unmasked_pii
from collect_pipelines.sync.mapping.fit import closest
from collect_pipelines.sync.mapping.masks import masks_of
from collect_pipelines.sync.mapping.plan import Plan

__all__ = ["notices"]

COMPARISONS = frozenset({"==", "!=", "in", "one_of"})


def notices(plan: Plan, columns: Sequence[Column], newest: FormDefinition) -> tuple[str, ...]:
    """One sentence each. columns: those of all versions."""
    return (*_personal(plan), *_retired(plan, columns), *_choices(plan), *_language(plan, newest))


def _personal(plan: Plan) -> Iterator[str]:
    named = unmasked_pii(plan.outgoing)
    if named:
        first = named[0]
        masks = " or ".join(mask for mask in masks_of(first.type) if mask != "hash")
        # a question inside a repeat can't be excluded
        leave_out = f" or leave them out (--exclude {first.key})" if first.key in by_any_key(plan.columns) else ""
        yield (
            f"Answers that tell of a person go out as they are: {', '.join(f'{one.key} ({one.pii})' for one in named)}. "
            f"Mask them (--mask {first.key}=hash, or {masks}){leave_out} unless that is meant."
        )


def _retired(plan: Plan, columns: Sequence[Column]) -> Iterator[str]:
    known = by_any_key(columns)
    mapping = plan.mapping
    named = {
        "columns": [one.question for one in mapping.columns or ()],
        "exclude": list(mapping.exclude),
        "masks": list(mapping.masks),
        "filter": list(plan.filter.columns) if plan.filter else [],
    }
    for field, keys in named.items():
        for key in keys:
            retired = known[key].question.retired if key in known else None
            if retired is not None:
                more = "; a response without the answer passes only if the filter says so" if field == "filter" else ""
                yield f"{field}: `{key}` is no longer asked since {retired.isoformat()}, so new responses have no answer to it{more}."


def _choices(plan: Plan) -> Iterator[str]:
    if plan.filter is None:
        return
    for key, code in dict.fromkeys(_compared(plan.filter.root)):
        question = plan.filter.columns[key].question if key in plan.filter.columns else None
        codes = [choice.code for choice in question.choices] if question else []
        if question and codes and not question.other and code not in codes:
            yield f"filter: `{key}` has no choice `{code}`; {closest(code, codes)}"


def _compared(node: Node) -> Iterator[tuple[str, str]]:
    """Keys of questions, and the texts that the filter compares them with."""
    if not isinstance(node, Call):
        return
    fields = [arg.key for arg in node.args if isinstance(arg, Field)]
    if node.name in COMPARISONS and len(fields) == 1:
        yield from ((fields[0], str(arg.value)) for arg in node.args if isinstance(arg, Literal) and arg.type == "text")
    for arg in node.args:
        yield from _compared(arg)


def _language(plan: Plan, newest: FormDefinition) -> Iterator[str]:
    language = plan.mapping.language
    if language and not {language, language.partition("-")[0]} & set(newest.languages):
        yield f"The form has no texts in {language}: it has {', '.join(newest.languages)}, and shows those."
