"""Answers of every question type, from the log's text through rendering to the cells, new and edited."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from collect_pipelines.destinations.interface import Batch, Column
from collect_pipelines.local.sheets.testing import RunningServer, running_server
from collect_pipelines.sync.rendering import display_frame
from tests.contract.google_sheets_fakes import Desk, column, entry, generous

CHOICES = [{"code": "r", "label": {"en": "Rice", "hi": "चावल"}}, {"code": "m", "label": {"en": "Maize", "hi": "मक्का"}}]
MEMBERS = [{"key": "who", "type": "text", "label": "Who"}, {"key": "years", "type": "integer", "label": "Years"}]

# type -> (more of the question, the answer as the log's text, the cell)
ANSWERS: dict[str, tuple[dict[str, Any], str, Any]] = {
    "text": ({}, "=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
    "email": ({}, "asha@example.org", "asha@example.org"),
    "url": ({}, "https://example.org/?a=1&b=2", "https://example.org/?a=1&b=2"),
    "phone": ({}, "+919812345678", "+919812345678"),
    "integer": ({}, "42", 42),
    "decimal": ({}, "2.5", 2.5),
    "boolean": ({}, "true", "Yes"),
    "select_one": ({"choices": CHOICES}, "r", "Rice"),
    "select_multiple": ({"choices": CHOICES}, '["r", "m"]', "Rice; Maize"),
    "rating": ({"min": 1, "max": 5}, "4", 4),
    "date": ({}, "2024-02-29", "2024-02-29"),
    "time": ({}, "07:30", "07:30"),
    "datetime": ({}, "2024-02-29T07:30:00+05:30", "2024-02-29T07:30:00+05:30"),
    "geopoint": ({}, json.dumps({"latitude": 12.97, "longitude": 77.59}), "12.97, 77.59"),
    "file": ({}, json.dumps({"name": "a.jpg", "url": "https://example.org/a.jpg"}), "https://example.org/a.jpg"),
    "hidden": ({}, "0042", "0042"),
    "repeat": ({"questions": MEMBERS}, json.dumps([{"who": "Asha", "years": 3}]), "1. Who: Asha; Years: 3"),
}
COLUMNS = tuple(column(f"a_{type_}", type_, **more) for type_, (more, _, _) in ANSWERS.items())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("sheets"), limits=generous()) as running:
        yield running


def rendered(desk: Desk, position: int, revision: int, texts: list[str], columns: tuple[Column, ...] = COLUMNS) -> Batch:
    """A batch as the core makes it from the log."""
    lines = io.StringIO()
    meta = ["position", "response_id", "revision", "operation", "version", "submitted_at", "received_at", "source", "respondent"]
    writer = csv.writer(lines)
    writer.writerow([*meta, *(f"k{place}" for place in range(len(columns)))])
    operation = "create" if revision == 1 else "edit"
    writer.writerow([position, "r1", revision, operation, 1, "2030-01-01T00:00:01Z", "2030-01-01T00:00:02Z", "api", "", *texts])
    frame: pl.DataFrame = display_frame(lines.getvalue().encode(), columns, "en")
    empty = desk.batch(entry("r1", position, revision=revision), columns=columns, number=position)
    return replace(empty, frame=frame, digest=f"{position:064d}")


def test_each_type_has_the_cell_that_people_expect(server: RunningServer) -> None:
    desk = Desk(server)
    texts = [text for _, text, _ in ANSWERS.values()]
    desk.worker().deliver(rendered(desk, 1, 1, ["first", *texts[1:]]))
    desk.worker().deliver(rendered(desk, 2, 2, texts))
    shown = dict(zip(desk.values()[0], desk.values()[1], strict=True))

    assert {name: shown[f"A_{name}"] for name in ANSWERS} == {name: cell for name, (_, _, cell) in ANSWERS.items()}
    assert (shown["Submitted (UTC)"], shown["_id"], shown["_revision"]) == ("2030-01-01 00:00:01", "r1", 2)
    desk.close()


def test_an_answer_of_the_wrong_type_never_stops_a_batch(server: RunningServer) -> None:
    desk = Desk(server)
    desk.worker().deliver(rendered(desk, 1, 1, ["not what was asked"] * len(COLUMNS)))

    assert desk.values()[1][0] == "2030-01-01 00:00:01"
    desk.close()
