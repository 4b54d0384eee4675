"""The last line of `collect status`: what a person has to know, and what to do next."""

from datetime import UTC, datetime
from typing import Any

import pytest

from collect_pipelines.cli.status import _sentence
from collect_pipelines.model import Ledger
from collect_pipelines.store.forms import FormRecord

NOTHING = {"filtered": 0, "quarantined": 0, "dead_lettered": 0, "erased": 0, "pending": 0, "oldest_pending_seconds": None}


def form(slug: str, head: int) -> FormRecord:
    known: dict[str, Any] = {
        "form_id": 1, "organization_id": 1, "organization": "default", "slug": slug, "reference": slug, "title": {"en": slug},
        "state": "open", "head": head, "validated_through": head, "version": 1, "created_at": datetime(2030, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    return FormRecord(**{name: known[name] for name in FormRecord.__dataclass_fields__})


def line(slug: str, **counts: Any) -> Ledger:
    return Ledger(form=slug, integration=f"{slug}-sheet", kind="sheet", state="active", accepted=3, delivered=3, **{**NOTHING, **counts})


@pytest.mark.parametrize(
    ("forms", "rows", "said"),
    [
        ([form("visit", 3)], [line("visit")], "All responses are delivered."),
        ([form("visit", 3), form("empty", 0)], [line("visit")], "All responses are delivered."),
        ([form("visit", 3), form("crop", 2)], [line("visit")], "crop has responses and no integration. Next: collect integrations add"),
        ([form("visit", 3), *(form(f"f{n}", 1) for n in range(5))], [line("visit")], "f0, f1, f2 and others have responses"),
        ([form("visit", 3)], [line("visit", quarantined=1)], "1 delivery is held back. See: collect failures list"),
        ([form("visit", 3)], [line("visit", pending=2, oldest_pending_seconds=5.0)], "2 deliveries wait"),
        ([form("visit", 3)], [], "No form has an integration. Next: collect integrations add warehouse --form visit"),
    ],
    ids=["all delivered", "an empty form beside", "a form nobody reads", "many of them", "held back", "waiting", "no integration"],
)
def test_the_sentence_tells_the_truth_and_what_to_do(forms: list[FormRecord], rows: list[Ledger], said: str) -> None:
    assert said in _sentence(forms, rows)
