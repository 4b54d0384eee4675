"""What messages would say and cost, for an operator who has not enabled them yet."""

from collections.abc import Iterator, Sequence

from collect_pipelines.destinations.sms.config import SmsConfig
from collect_pipelines.destinations.sms.drafts import Draft
from collect_pipelines.destinations.sms.limits import Stop
from collect_pipelines.destinations.sms.segments import Count, count
from collect_pipelines.destinations.sms.template import read_template
from collect_pipelines.model import JsonValue

__all__ = ["listing", "said", "text_facts"]


def said(counted: Count) -> str:
    """`2 segments (UCS-2, 84 of 134)`."""
    return (
        f"{counted.segments} segment{'' if counted.segments == 1 else 's'} ({counted.encoding}, {counted.units} used, {counted.left} left)"
    )


def text_facts(config: SmsConfig) -> dict[str, JsonValue]:
    """Per language what the text costs before any answer is filled in."""
    facts: dict[str, JsonValue] = {}
    for language, text in config.template.items():
        template = read_template(text)
        fields = ", ".join(str(field) for field in template.fields)
        own = said(count(template.filled(lambda field: "").strip()))
        facts[f"text {language}".strip()] = f"{own}{f', and what {fields} add' if fields else ''}"
    facts["segments"] = f"at most {config.most_segments}, a longer text is {'cut' if config.too_long == 'cut' else 'refused'}"
    return facts


def listing(drafts: Sequence[tuple[Draft, Stop | None]]) -> str:
    """The messages one after the other, and their sum."""
    segments = sum(draft.count.segments for draft, stop in drafts if stop is None and draft.refused is None)
    messages = sum(stop is None and draft.refused is None for draft, stop in drafts)
    total = f"{messages} message{'' if messages == 1 else 's'}, {segments} segment{'' if segments == 1 else 's'}"
    return "\n".join([*(line for draft, stop in drafts for line in _lines(draft, stop)), total])


def _lines(draft: Draft, stop: Stop | None) -> Iterator[str]:
    reason = draft.refused or (stop.reason if stop else None)
    if reason:
        yield f"{draft.response_id}: {'later' if stop and stop.kind == 'asleep' else 'no message'}, {reason}"
        return
    yield f"{draft.response_id} to {draft.recipient.e164}: {said(draft.count)}{', cut' if draft.cut else ''}"
    yield f"  {draft.text}".replace("\n", "\n  ")
