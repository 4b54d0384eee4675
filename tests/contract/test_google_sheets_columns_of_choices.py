"""A question that takes several choices becomes one column, a column per choice, or both; whoever changes that loses nothing."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from collect_pipelines.destinations.interface import Batch, Column
from collect_pipelines.local.sheets.testing import RunningServer, running_server
from collect_pipelines.sync.rendering import display_frame
from tests.contract.google_sheets_fakes import Desk, column, entry, generous

RICE, MAIZE, MILLET = ({"code": name, "label": {"en": name.capitalize(), "de": f"de {name}"}} for name in ("rice", "maize", "millet"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("sheets"), limits=generous()) as running:
        yield running


@pytest.fixture
def desk(server: RunningServer) -> Iterator[Desk]:
    made = Desk(server)
    yield made
    made.close()


def crops(*choices: dict[str, Any]) -> Column:
    return column("crops", "select_multiple", choices=list(choices), other=True)


def rendered(desk: Desk, position: int, answer: Any, asked: Column, *, response: str = "r1", revision: int = 1, **more: Any) -> Batch:
    """A batch of one response as the core makes it from the log."""
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(
        ["position", "response_id", "revision", "operation", "version", "submitted_at", "received_at", "source", "respondent", "k0"]
    )
    operation, moment = "create" if revision == 1 else "edit", "2030-01-01T00:00:01Z"
    writer.writerow([position, response, revision, operation, 1, moment, moment, "api", "", json.dumps(answer)])
    frame = display_frame(lines.getvalue().encode(), (asked,), "en", code_lists=True)
    empty = desk.batch(entry(response, position, revision=revision), columns=(asked,), number=position, language="en", **more)
    return replace(empty, frame=frame, digest=f"{position:064d}")


def cells(desk: Desk) -> list[dict[str, Any]]:
    return [{name: cell for name, cell in row.items() if name.startswith("Crops")} for row in desk.records()]


def test_joined_in_one_cell_is_what_happens_unasked(desk: Desk) -> None:
    desk.worker().deliver(rendered(desk, 1, ["maize", "rice", {"other": "Teff"}], crops(RICE, MAIZE)))

    assert cells(desk) == [{"Crops": "Maize; Rice; Teff"}]


def test_each_choice_has_a_column_with_1_or_nothing_and_own_words_one_of_their_own(server: RunningServer) -> None:
    desk = Desk(server, title="Columns", config={"choices": "columns"})
    desk.worker().deliver(rendered(desk, 1, ["maize", {"other": "Teff"}], crops(RICE, MAIZE)))
    desk.worker().deliver(rendered(desk, 2, ["rice"], crops(RICE, MAIZE), revision=2))
    desk.worker().deliver(rendered(desk, 3, ["rice", "maize"], crops(RICE, MAIZE), response="r2"))

    assert desk.values()[0][1:4] == ["Crops: Rice", "Crops: Maize", "Crops: other"]
    assert cells(desk) == [{"Crops: Rice": 1}, {"Crops: Rice": 1, "Crops: Maize": 1}]
    desk.close()


def test_a_new_choice_becomes_a_column_at_the_end(server: RunningServer) -> None:
    desk = Desk(server, title="More", config={"choices": "both"})
    desk.worker().deliver(rendered(desk, 1, ["maize"], crops(MAIZE)))
    desk.worker().deliver(rendered(desk, 2, ["millet", "maize"], crops(MAIZE, MILLET), response="r2"))

    assert desk.values()[0] == ["Submitted (UTC)", "Crops", "Crops: Maize", "Crops: other", "_id", "_revision", "Crops: Millet"]
    assert cells(desk) == [
        {"Crops": "Maize", "Crops: Maize": 1},
        {"Crops": "Millet; Maize", "Crops: Maize": 1, "Crops: Millet": 1},
    ]
    desk.close()


def test_codes_instead_of_labels_where_the_integration_says_so(server: RunningServer) -> None:
    desk = Desk(server, title="Codes", config={"choices": "both"})
    desk.worker().deliver(rendered(desk, 1, ["maize"], crops(RICE, MAIZE), labels=False))

    assert cells(desk) == [{"Crops": "maize", "Crops: maize": 1}]
    desk.close()


def test_columns_that_exist_are_written_whatever_is_set_later(server: RunningServer) -> None:
    desk = Desk(server, title="Changed", config={"choices": "columns"})
    desk.worker().deliver(rendered(desk, 1, ["maize"], crops(RICE, MAIZE)))
    desk.config["choices"] = "joined"
    desk.worker().deliver(rendered(desk, 2, ["rice"], crops(RICE, MAIZE), revision=2))

    assert cells(desk) == [{"Crops": "Rice", "Crops: Rice": 1}]
    desk.close()
