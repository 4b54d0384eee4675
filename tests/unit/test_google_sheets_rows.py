"""The exact cells of a batch, and how it is cut into requests."""

import random
import subprocess
import sys
from typing import Any

import pytest

from collect_pipelines.destinations.google_sheets import GoogleSheetsConfig
from collect_pipelines.destinations.google_sheets.content import cells as one_cell
from collect_pipelines.destinations.google_sheets.content.parts import parts, row_data
from collect_pipelines.destinations.google_sheets.content.preview import drawn
from collect_pipelines.destinations.google_sheets.content.tables import MAIN, bound_name, tables_of
from collect_pipelines.destinations.google_sheets.files.spreadsheet import spreadsheet_id
from collect_pipelines.destinations.google_sheets.tab.tab import sanitized
from tests.contract.google_sheets_fakes import batch, column, entry

COLUMNS = [
    column("name", label="Name"),
    column("age", "integer", label="Age"),
    column("weight", "decimal", label="Weight"),
    column("crops", "select_multiple", label="Crops", choices=[{"code": "rice", "label": "Rice"}, {"code": "maize", "label": "Maize"}]),
]


def cells(*answers: Any) -> list[Any]:
    (row,) = tables_of(batch(entry("r1", 7, *answers), columns=COLUMNS))[0].rows
    return [one_cell.cell_data(cell) for cell in row.cells]


def text(value: str) -> dict[str, Any]:
    return {"userEnteredValue": {"stringValue": value}}


def number(value: float) -> dict[str, Any]:
    return {"userEnteredValue": {"numberValue": value}}


def test_every_cell_is_typed_so_that_nothing_is_parsed() -> None:
    assert cells("=SUM(A1)", 7, 1.5, "Rice; Maize") == [
        text("2030-01-01 00:07:00"),
        text("=SUM(A1)"),
        number(7),
        number(1.5),
        text("Rice; Maize"),
        text("r1"),
        number(1),
    ]


def test_unanswered_and_empty_answers_leave_the_cell_empty() -> None:
    assert cells(None, None, None, "")[1:5] == [{}, {}, {}, {}]


@pytest.mark.parametrize(
    ("value", "shown"), [(10**15 - 1, number(10**15 - 1)), (10**15, text("1000000000000000")), (-(10**18), text(f"-{10**18}"))]
)
def test_numbers_longer_than_a_sheet_shows_stay_text(value: int, shown: dict[str, Any]) -> None:
    assert cells(None, value)[2] == shown


def test_long_answers_are_cut_visibly_and_counted() -> None:
    (row,) = tables_of(batch(entry("r1", 1, "x" * 60_000, 1), columns=COLUMNS))[0].rows
    shown = row.cells[1]

    assert isinstance(shown, str)
    assert len(shown) == 50_000
    assert shown.endswith("… [cut here: the answer has 60,000 characters; the whole text is kept in collect]")
    assert row.truncated == 1


def test_the_cut_counts_as_google_does_and_never_splits_a_character() -> None:
    whole, cut = one_cell.shortened("😀" * 25_000)
    assert (whole, cut) == ("😀" * 25_000, False)
    shorter, cut = one_cell.shortened("x" + "😀" * 25_000)

    assert cut
    assert len(shorter.encode("utf-16-le")) // 2 <= 50_000
    assert "�" not in shorter


def test_two_questions_with_one_label_get_different_headers() -> None:
    twice = [column("a", label="Name"), column("b", label="Name"), column("c", label="_id"), column("d", label="")]
    headers = [one.header for one in tables_of(batch(entry("r1", 1), columns=twice))[0].columns]

    assert headers == ["Submitted (UTC)", "Name", "Name (2)", "_id", "d", "_id (2)", "_revision"]


def test_columns_are_bound_by_question_keys_and_long_keys_stay_apart() -> None:
    long = ["how_many_people_live_here_in_the_dry_season", "how_many_people_live_here_in_the_wet_season"]
    names = [bound_name(key) for key in ["age", *long]]

    assert names[0] == "age"
    assert len(set(names)) == 3
    assert all(len(name) <= 24 for name in names)


def test_parts_depend_on_the_rows_alone_and_lose_none() -> None:
    chance = random.Random(1)
    many = [entry(f"r{place}", place, "ü" * chance.randrange(2000), place) for place in range(1, 400)]
    tables = tables_of(batch(*many, columns=COLUMNS))
    first, second = ([[row.position for row in part[MAIN]] for part in parts(tables, 50_000)] for _ in range(2))

    assert first == second
    assert [position for part in first for position in part] == list(range(1, 400))
    assert len(first) > 10


def test_one_row_larger_than_a_request_is_a_part_of_its_own() -> None:
    tables = tables_of(batch(*(entry(f"r{place}", place, "x" * 900) for place in (1, 2)), columns=COLUMNS))

    assert [len(part[MAIN]) for part in parts(tables, 100)] == [1, 1]


def test_our_cells_skip_the_columns_of_people() -> None:
    (main,) = tables_of(batch(entry("r1", 1, "Asha", 3)))
    layout = {"_submitted": 5, "name": 1, "_id": 3, "_revision": 0}
    (row,) = row_data(main.rows, main.names, layout)

    assert row["values"] == [number(1), text("Asha"), {}, text("r1"), {}, text("2030-01-01 00:01:00")]


@pytest.mark.parametrize(("cell", "revision"), [(3, 3), (3.0, 3), ("3 (deleted)", 3), ("", 0), ("mine", 0), (True, 0), ("٣", 0)])
def test_a_revision_is_read_back_whatever_people_do_to_its_cell(cell: Any, revision: int) -> None:
    assert one_cell.revision_in(cell) == revision


@pytest.mark.parametrize(
    ("title", "shown"),
    [("Haus/Hof: [2024]?", "Haus Hof 2024"), ("'", "Responses"), ("  x\n y ", "x y"), ("ज" * 200, "ज" * 90), ("Q*A", "Q A")],
)
def test_a_tab_title_is_one_sheets_takes(title: str, shown: str) -> None:
    assert sanitized(title) == shown


@pytest.mark.parametrize(
    "configured",
    [
        "1xz3gKfJhMHRnnVCt4ebATtb9qyoHSgObfXkaa2DLFtw",
        "https://docs.google.com/spreadsheets/d/1xz3gKfJhMHRnnVCt4ebATtb9qyoHSgObfXkaa2DLFtw/edit?gid=0#gid=0",
        "http://127.0.0.1:8090/spreadsheets/d/1xz3gKfJhMHRnnVCt4ebATtb9qyoHSgObfXkaa2DLFtw",
    ],
)
def test_a_spreadsheet_is_named_by_its_address_or_its_id(configured: str) -> None:
    assert GoogleSheetsConfig(spreadsheet=configured).spreadsheet == "1xz3gKfJhMHRnnVCt4ebATtb9qyoHSgObfXkaa2DLFtw"


def test_anything_else_is_no_spreadsheet() -> None:
    with pytest.raises(ValueError, match="neither"):
        spreadsheet_id("my household sheet")


def test_the_preview_shows_the_exact_cells() -> None:
    shown = batch(entry("r1", 1, "6'3\"\nand \\ more", 3), entry("r2", 2, "=1+1", None))

    assert drawn(tables_of(shown)).splitlines() == [
        "Submitted (UTC)     | Name             | Age | _id | _revision",
        "--------------------+------------------+-----+-----+----------",
        "2030-01-01 00:01:00 | 6'3\"\\nand \\ more | 3   | r1  | 1",
        "2030-01-01 00:02:00 | =1+1             |     | r2  | 1",
    ]


def test_importing_the_kind_loads_nothing_heavy() -> None:
    program = (
        "import sys; import collect_pipelines.destinations.google_sheets; "
        "print([name for name in ('gspread', 'google.auth', 'polars', 'requests', 'sqlalchemy') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"
