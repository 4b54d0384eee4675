"""What the tests of mappings share: a form with every question type, entries as the log gives them, and what a mapping makes of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import polars as pl

from collect_pipelines.destinations.interface import Batch, Capability, Delivery, Destination, Guarantee, OnDelete, ProbeReport
from collect_pipelines.forms.columns import META_COLUMNS, Column
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.rules.values import value_of
from collect_pipelines.sync.entries import text_frame
from collect_pipelines.sync.mapping.masks import Masks
from collect_pipelines.sync.mapping.model import FrozenMapping
from collect_pipelines.sync.mapping.plan import Plan, plan_of
from collect_pipelines.sync.mapping.render import render_rows

CHOICES = [{"code": "w", "label": {"en": "Wheat", "hi": "गेहूँ"}}, {"code": "r", "label": {"en": "Rice"}}]
INSIDE = [
    {"key": "who", "type": "text", "label": {"en": "Who", "hi": "कौन"}, "pii": "direct"},
    {"key": "born", "type": "date", "label": "Born"},
    {"key": "seen", "type": "datetime", "label": "Seen"},
    {"key": "grows", "type": "select_multiple", "label": "Grows", "choices": CHOICES},
    {"key": "deeper", "type": "repeat", "label": "Deeper", "questions": [{"key": "secret", "type": "text", "label": "Secret"}]},
]
QUESTIONS: list[dict[str, Any]] = [
    {"key": "name", "type": "text", "label": {"en": "Name", "hi": "नाम"}, "pii": "direct"},
    {"key": "email", "type": "email", "label": "Mail"},
    {"key": "url", "type": "url", "label": "Page"},
    {"key": "phone", "type": "phone", "label": "Phone", "pii": "direct"},
    {"key": "age", "type": "integer", "label": "Age", "pii": "indirect"},
    {"key": "area", "type": "decimal", "label": "Area"},
    {"key": "agrees", "type": "boolean", "label": "Agrees"},
    {"key": "stars", "type": "rating", "label": "Stars"},
    {"key": "crop", "type": "select_one", "label": "Crop", "choices": CHOICES, "other": True},
    {"key": "crops", "type": "select_multiple", "label": "Crops", "choices": CHOICES, "other": True},
    {"key": "day", "type": "date", "label": "Day"},
    {"key": "clock", "type": "time", "label": "Clock"},
    {"key": "moment", "type": "datetime", "label": "Moment"},
    {"key": "place", "type": "geopoint", "label": "Place"},
    {"key": "photo", "type": "file", "label": "Photo"},
    {"key": "device", "type": "hidden", "label": "Device"},
    {"key": "members", "type": "repeat", "label": "Members", "questions": INSIDE},
]
KEYS = [question["key"] for question in QUESTIONS]
ANSWERS: dict[str, Any] = {
    "name": "Asha Rao", "email": "Asha@Example.org", "url": "https://a.example", "phone": "+91 98450 12345", "age": 34, "area": 2.5,
    "agrees": True, "stars": 4, "crop": "w", "crops": ["w", "r"], "day": "2026-01-31", "clock": "09:30",
    "moment": "2025-12-31T23:30:00-05:00", "place": {"latitude": 12.5, "longitude": 77}, "photo": {"name": "a.jpg"}, "device": "d-1",
    "members": [
        {"who": "Ravi Rao", "born": "1987-05-04", "seen": "2026-01-31T04:00:00Z", "grows": ["w"], "deeper": [{"secret": "under the tree"}]},
    ],
}  # fmt: skip
KEY = b"k" * 32


def form(questions: Sequence[Mapping[str, Any]] = QUESTIONS, **more: Any) -> FormDefinition:
    return FormDefinition.model_validate({"form": "all", "title": "All", "languages": ["en", "hi"], "questions": questions, **more})


class Display(Destination):
    """A kind for people."""

    kind: ClassVar[str] = "display"
    guarantee: ClassVar[Guarantee] = "exactly_once"
    supports: ClassVar[frozenset[Capability]] = frozenset({"upsert", "delete", "append"})
    deletes: ClassVar[tuple[OnDelete, ...]] = ("tombstone", "delete")
    values: ClassVar[Literal["display", "typed"]] = "display"

    def probe(self) -> ProbeReport:
        return ProbeReport("It can be used.")

    def preview(self, batch: Batch) -> str:
        return batch.frame.write_ndjson()

    def deliver(self, batch: Batch) -> Delivery:
        return Delivery.complete(batch)


class Typed(Display):
    """A kind for machines."""

    kind: ClassVar[str] = "typed"
    values: ClassVar[Literal["display", "typed"]] = "typed"


class Plain(Display):
    """A kind that can neither delete nor append."""

    kind: ClassVar[str] = "plain"
    supports: ClassVar[frozenset[Capability]] = frozenset({"upsert"})
    deletes: ClassVar[tuple[OnDelete, ...]] = ()


def entries(columns: Sequence[Column], *responses: Mapping[str, Any], operation: str = "create", respondent: str = "asha") -> pl.DataFrame:
    """The responses as the log gives them."""
    lines = [",".join([*META_COLUMNS, *(f"k{place}" for place in range(len(columns)))])]
    for position, answers in enumerate(responses, 1):
        cells = [str(position), f"r{position}", "1", operation, "1", None, "2026-01-31T04:00:00.000001Z", "api", respondent]
        cells += [_text(next((answers[key] for key in column.keys if answers.get(key) is not None), None)) for column in columns]
        lines.append(",".join("" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in cells))
    return text_frame(("\n".join(lines) + "\n").encode(), columns)


def _text(value: Any) -> str | None:
    """As Postgres gives a JSON value as text."""
    if value is None or isinstance(value, str):
        return value
    return value_of("text", "hidden", value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)


def planned(mapping: Mapping[str, Any], kind: type[Destination] = Display, *versions: FormDefinition) -> Plan:
    return plan_of(versions or (form(),), FrozenMapping.model_validate(mapping), kind)


def shown(mapping: Mapping[str, Any], *responses: Mapping[str, Any], kind: type[Destination] = Display, **more: Any) -> pl.DataFrame:
    """The frame of the responses under the mapping."""
    plan = planned(mapping, kind)
    assert plan.misfits == ()
    return render_rows(entries(plan.sources, *responses, **more), plan, Masks(KEY, plan.zone))


def answers_of(mapping: Mapping[str, Any], answers: Mapping[str, Any] = ANSWERS, kind: type[Destination] = Display) -> dict[str, Any]:
    """What is shown of one response, by heading."""
    plan, frame = planned(mapping, kind), shown(mapping, answers, kind=kind)
    return {column.label: frame[column.name].to_list()[0] for column in plan.columns}
