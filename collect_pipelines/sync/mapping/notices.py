"""What a person should know about a mapping that can be used."""

from collections.abc import Iterator, Sequence

from collect_pipelines.forms.columns import Column
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.sync.mapping.columns import by_any_key, unmasked_pii
from collect_pipelines.sync.mapping.plan import Plan

__all__ = ["notices"]


def notices(plan: Plan, columns: Sequence[Column], newest: FormDefinition) -> tuple[str, ...]:
    """One sentence each. columns: those of all versions."""
    return (*_personal(plan), *_retired(plan, columns), *_language(plan, newest))


def _personal(plan: Plan) -> Iterator[str]:
    named = unmasked_pii(plan.outgoing)
    if named:
        first = named[0].partition(" ")[0]
        yield (
            f"Answers that tell of a person go out as they are: {', '.join(named)}. "
            f"Mask them (--mask {first}=hash, or last4 or drop) or leave them out (--exclude {first}) unless that is meant."
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


def _language(plan: Plan, newest: FormDefinition) -> Iterator[str]:
    language = plan.mapping.language
    if language and not {language, language.partition("-")[0]} & set(newest.languages):
        yield f"The form has no texts in {language}: it has {', '.join(newest.languages)}, and shows those."
