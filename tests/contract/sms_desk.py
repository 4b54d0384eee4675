"""What the tests of SMS receipts share: a form, batches of it, and a context in memory with a clock that is set by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from collect_pipelines.destinations.interface import META_COLUMNS, Batch, Delivery, Note, Outcome, ProbeReport
from collect_pipelines.destinations.sms import Sms, SmsConfig
from collect_pipelines.errors import Blocked
from collect_pipelines.forms.columns import layout
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.model import JsonValue, QuotaBucket

NOON = datetime(2030, 1, 15, 12, 0, tzinfo=UTC)
ASHA, RAVI, JOAO = "+919876543210", "+919812345678", "+5511987654321"

VISIT = FormDefinition.model_validate({
    "form": "visit",
    "title": {"en": "Home visit", "hi": "घर की यात्रा"},
    "languages": ["en", "hi"],
    "questions": [
        {"key": "name", "type": "text", "label": {"en": "Name", "hi": "नाम"}},
        {"key": "phone", "type": "phone", "label": "Phone"},
        {"key": "crop", "type": "select_one", "label": {"en": "Crop", "hi": "फसल"}, "choices": [
            {"code": "w", "label": {"en": "Wheat", "hi": "गेहूँ"}}, {"code": "r", "label": {"en": "Rice", "hi": "चावल"}},
        ]},
        {"key": "tools", "type": "select_multiple", "label": "Tools", "choices": [
            {"code": "p", "label": {"en": "Plough", "hi": "हल"}}, {"code": "t", "label": {"en": "Tractor", "hi": "ट्रैक्टर"}},
        ]},
        {"key": "area", "type": "decimal", "label": "Area"},
        {"key": "paid", "type": "boolean", "label": "Paid"},
        {"key": "speaks", "type": "select_one", "label": "Language", "choices": [
            {"code": "en", "label": "English"}, {"code": "hi", "label": "Hindi"},
        ]},
        {"key": "country", "type": "select_one", "label": "Country", "choices": [
            {"code": "india", "label": "India", "attributes": {"region": "IN"}}, {"code": "br", "label": "Brazil"},
        ]},
        {"key": "form", "type": "text", "label": "Form of address"},
    ],
})  # fmt: skip

TYPES = {"area": pl.Float64(), "paid": pl.Boolean(), "tools": pl.List(pl.String())}


class MemoryContext:
    """A Context in this process."""

    integration_id, integration, form = 7, "visit-sms", "visit"

    def __init__(self, clock: "Clock", secrets: Mapping[str, str] | None = None) -> None:
        self.clock, self.secrets = clock, dict(secrets or {})
        self.lines: dict[str, Note] = {}
        self.history: list[tuple[str, str]] = []
        self.memory: dict[str, JsonValue] = {}
        self.opted: set[str] = set()
        self.waits: list[float] = []
        self.folder = "."

    def recall(self, name: str) -> JsonValue:
        return self.memory.get(name)

    def remember(self, name: str, value: JsonValue) -> None:
        self.memory[name] = value

    def notes(self, keys: Sequence[str]) -> dict[str, Note]:
        return {key: self.lines[key] for key in keys if key in self.lines}

    def note(self, notes: Sequence[Note]) -> None:
        for note in notes:
            known = self.lines.get(note.key)
            if known is not None and note.over is not None and known.state not in note.over:
                continue
            first = self.clock.now if known is None or note.anew else known.created_at
            self.lines[note.key] = replace(note, created_at=first, updated_at=self.clock.now)
            self.history.append((note.key, note.state))

    def noted_since(self, seconds: float, *, states: Sequence[str], subject: str | None = None) -> int:
        since = self.clock.now - timedelta(seconds=seconds)
        return sum(
            line.state in states and subject in (None, line.subject) and (line.created_at or since) >= since for line in self.lines.values()
        )

    def opted_out(self, channel: str, addresses: Sequence[str]) -> frozenset[str]:
        assert (channel, len(addresses)) == ("sms", 1)
        return frozenset(addresses) & self.opted

    def secret(self, reference: str) -> str:
        if reference not in self.secrets:
            raise Blocked(f"The secret {reference} is missing or can't be read.", fix="Set it.")
        return self.secrets[reference]

    def setting(self, name: str) -> str:
        return {"data_dir": self.folder}[name]

    def take_quota(self, buckets: Sequence[QuotaBucket], *, background: bool = False) -> float:
        return self.waits.pop(0) if self.waits else 0.0

    def drain_quota(self, buckets: Sequence[QuotaBucket], seconds: float) -> None:
        pass

    def allocate(self, scope: str, name: str) -> int:
        return 1

    def guard(self) -> None:
        pass


@dataclass
class Clock:
    """The time, as the test says."""

    now: datetime = NOON

    def __call__(self) -> float:
        return self.now.timestamp()

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Scene:
    """An integration and its worker."""

    settings: dict[str, Any]
    clock: Clock = field(default_factory=Clock)
    secrets: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.context = MemoryContext(self.clock, self.secrets)
        self.numbers: dict[str, int] = {}

    def worker(self) -> Sms:
        """A new worker, which knows what the context knows."""
        made = Sms(SmsConfig.model_validate({"to": "phone", "template": "Thank you {name}", **self.settings}), self.context)
        made.clock = self.clock
        return made

    def deliver(self, *rows: Mapping[str, Any], **named: Any) -> tuple[Outcome, ...]:
        """The outcomes of a batch of these rows, by a new worker."""
        return self.delivery(*rows, **named).outcomes

    def delivery(self, *rows: Mapping[str, Any], **named: Any) -> Delivery:
        worker = self.worker()
        try:
            return worker.deliver(batch(*rows, received_at=self.clock.now, **named))
        finally:
            worker.close()

    def probe(self) -> ProbeReport:
        worker = self.worker()
        try:
            return worker.probe()
        finally:
            worker.close()

    def states(self) -> dict[str, str]:
        """State by receipt."""
        return {key: line.state for key, line in self.context.lines.items() if "/" not in key}


def row(response_id: str, phone: str | None = ASHA, revision: int = 1, operation: str = "create", **answers: Any) -> dict[str, Any]:
    """A row by answers; names are questions' keys."""
    return {"id": response_id, "revision": revision, "operation": operation, "answers": {"name": "Asha", "phone": phone, **answers}}


def batch(
    *rows: Mapping[str, Any], received_at: datetime = NOON, language: str | None = "en", form: FormDefinition = VISIT, **named: Any
) -> Batch:
    """A batch of such rows, typed as the core types them."""
    columns = layout([form], language)
    meta = {
        "_position": pl.Series(range(1, len(rows) + 1), dtype=pl.Int64),
        "_response_id": [one["id"] for one in rows],
        "_revision": pl.Series([one["revision"] for one in rows], dtype=pl.Int64),
        "_operation": [one["operation"] for one in rows],
        "_version": pl.Series([1] * len(rows), dtype=pl.Int64),
        "_submitted_at": pl.Series([received_at] * len(rows), dtype=pl.Datetime("us", "UTC")),
        "_received_at": pl.Series([one.get("received_at", received_at) for one in rows], dtype=pl.Datetime("us", "UTC")),
        "_source": ["test"] * len(rows),
        "_respondent": pl.Series([None] * len(rows), dtype=pl.String),
    }
    assert list(meta) == [f"_{name}" for name in META_COLUMNS]
    answers = {
        column.name: pl.Series([one["answers"].get(column.key) for one in rows], dtype=TYPES.get(column.key, pl.String()))
        for column in columns
    }
    return Batch(
        form="visit", form_title="Home visit", integration_id=7, batch_no=1, from_position=1, to_position=len(rows), digest="",
        columns=columns, frame=pl.DataFrame({**meta, **answers}), language=language, **named,
    )  # fmt: skip
