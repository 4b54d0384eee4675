"""The envelope around the answers: bounded, and equal exactly when the content is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from collect_pipelines.ingest.door import canonical
from collect_pipelines.ingest.envelope import Envelope, clean_id, clock_skew, read_envelope
from collect_pipelines.ingest.problems import Problem

WRONG = {
    "a list": ([], "envelope", "#"),
    "a text": ("x", "envelope", "#"),
    "null": (None, "envelope", "#"),
    "an unknown field": ({"answers": {}, "anwsers": {}}, "unknown-field", "#/anwsers"),
    "answers as a list": ({"answers": []}, "envelope", "#/answers"),
    "no answers": ({"id": "a"}, "envelope", "#/answers"),
    "answers null": ({"answers": None}, "envelope", "#/answers"),
    "an empty question key": ({"answers": {"": 1}}, "envelope", "#/answers/"),
    "a key of 10 KB": ({"answers": {"k" * 10_000: 1}}, "envelope", "#/answers/" + "k" * 128),
    "id as a number": ({"id": 5, "answers": {}}, "envelope", "#/id"),
    "id of 65 characters": ({"id": "a" * 65, "answers": {}}, "id-format", "#/id"),
    "id that climbs": ({"id": "/../x", "answers": {}}, "id-format", "#/id"),
    "id with a new line": ({"id": "a\n", "answers": {}}, "id-format", "#/id"),
    "id with a right-to-left mark": ({"id": "a\u200f", "answers": {}}, "id-format", "#/id"),
    "empty id": ({"id": "", "answers": {}}, "id-format", "#/id"),
    "version as text": ({"answers": {}, "version": "1"}, "envelope", "#/version"),
    "version true": ({"answers": {}, "version": True}, "envelope", "#/version"),
    "version 1.0": ({"answers": {}, "version": 1.0}, "envelope", "#/version"),
    "version 0": ({"answers": {}, "version": 0}, "envelope", "#/version"),
    "version 2^31": ({"answers": {}, "version": 2**31}, "envelope", "#/version"),
    "revision 2^63": ({"answers": {}, "revision": 2**63 - 1}, "envelope", "#/revision"),
    "empty respondent": ({"answers": {}, "respondent": ""}, "envelope", "#/respondent"),
    "source with spaces": ({"answers": {}, "source": "my app"}, "envelope", "#/source"),
    "language that is none": ({"answers": {}, "language": "klingon!"}, "envelope", "#/language"),
    "metadata as text": ({"answers": {}, "metadata": "x"}, "envelope", "#/metadata"),
    "large metadata": ({"answers": {}, "metadata": {"x": "y" * 17_000}}, "envelope", "#/metadata"),
    "time without zone": ({"answers": {}, "submitted_at": "2026-01-31T09:30:00"}, "envelope", "#/submitted_at"),
    "30 February": ({"answers": {}, "submitted_at": "2026-02-30T09:30:00Z"}, "envelope", "#/submitted_at"),
    "24 o'clock": ({"answers": {}, "submitted_at": "2026-02-20T24:30:00Z"}, "envelope", "#/submitted_at"),
    "year 0": ({"answers": {}, "submitted_at": "0000-02-20T10:30:00Z"}, "envelope", "#/submitted_at"),
    "before year 1 in UTC": ({"answers": {}, "submitted_at": "0001-01-01T00:00:00+14:00"}, "envelope", "#/submitted_at"),
    "a time as number": ({"answers": {}, "submitted_at": 1700000000}, "envelope", "#/submitted_at"),
}


@pytest.mark.parametrize("name", WRONG)
def test_it_is_refused_at_its_place(name: str) -> None:
    document, code, pointer = WRONG[name]

    with pytest.raises(Problem) as refused:
        read_envelope(document)  # type: ignore[arg-type]

    assert (refused.value.code, [place.pointer for place in refused.value.places]) == (code, [pointer])
    assert refused.value.kind.status == 422


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("uuid:6F9619FF-8B86-D011-B42D-00CF4FC964FF", "6f9619ff-8b86-d011-b42d-00cf4fc964ff"),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
        ("Row-7.b:c_d", "Row-7.b:c_d"),
    ],
)
def test_ids_are_kept_and_uuids_are_values(sent: str, stored: str) -> None:
    assert clean_id(sent) == stored


def hash_of(document: dict[str, Any], operation: Any = "create", replaces: int | None = None) -> bytes:
    envelope = read_envelope({"answers": {}, **document})
    return envelope.content_hash(operation, replaces, canonical(envelope.answers))


@pytest.mark.parametrize(
    "change",
    [
        {"answers": {"a": 2}},
        {"answers": {"a": 1.0}},
        {"answers": {"a": 1, "b": None}},
        {"version": 1},
        {"respondent": "r"},
        {"submitted_at": "2026-01-31T09:30:00Z"},
        {"metadata": {"x": 1}},
    ],
)
def test_other_content_has_another_hash(change: dict[str, Any]) -> None:
    assert hash_of({"answers": {"a": 1}}) != hash_of({"answers": {"a": 1}, **change})


def test_source_and_language_are_not_content() -> None:
    assert hash_of({"source": "phone", "language": "hi"}) == hash_of({})


def test_an_edit_is_not_the_create_of_the_same_answers() -> None:
    assert len({hash_of({}), hash_of({}, "edit", 1), hash_of({}, "edit", 2), hash_of({}, "delete", 1)}) == 4


@pytest.mark.parametrize("away", [timedelta(days=2), -timedelta(days=20_000)])
def test_a_clock_that_is_wrong_is_flagged_never_refused(away: timedelta) -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)

    finding = clock_skew(now + away, now)

    assert finding is not None and finding.severity == "flag"
    assert clock_skew(now - timedelta(days=300), now) is None


def test_the_envelope_keeps_what_was_said() -> None:
    envelope = read_envelope({"id": "a", "answers": {"q": None}, "submitted_at": "2026-01-31t09:30:00.123456789+05:30"})

    assert isinstance(envelope, Envelope)
    assert envelope.submitted_at == datetime(2026, 1, 31, 4, 0, 0, 123456, tzinfo=UTC)
    assert envelope.submitted_text == "2026-01-31t09:30:00.123456789+05:30"
