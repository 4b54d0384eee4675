"""Values go in and come out as Google has them: RAW stays what it is, USER_ENTERED is read as a person's typing, reads are trimmed."""

from collections.abc import Iterator
from typing import Any

import pytest

from collect_pipelines.local.sheets.testing import RunningServer, gspread_client
from tests.contract.local_sheets_tools import Api, append


@pytest.fixture(scope="module")
def gspread_spreadsheet(server: RunningServer) -> Iterator[Any]:
    client = gspread_client(server.base_url, server.person_credentials)
    yield client.create("Through gspread")
    client.http_client.session.close()


@pytest.mark.parametrize(
    "text", ["=1+1", "+49 170", "@x", "-5", "0042", "TRUE", "2024-01-31", "50%", "'quoted", " spaced ", "6'3\"", "a\nb", "\u6771\u4eac"]
)
def test_raw_text_stays_text_to_the_letter(api: Api, sheet: str, text: str) -> None:
    api.put(sheet, "A1", [[text]])
    api.done(sheet, append([text]))

    assert api.values(sheet) == [[text], [text]]
    assert api.values(sheet, valueRenderOption="FORMULA") == [[text], [text]]


@pytest.mark.parametrize(
    ("text", "value", "shown"),
    [
        ("0042", 42, "42"),
        ("-5", -5, "-5"),
        ("50%", 0.5, "50%"),
        ("1,234", 1234, "1,234"),
        ("TRUE", True, "TRUE"),
        ("2024-01-31", 45322, "2024-01-31"),
        ("1/31/2024", 45322, "1/31/2024"),
        ("'0042", "0042", "0042"),
        ("six feet", "six feet", "six feet"),
        ("2024-02-31", "2024-02-31", "2024-02-31"),
    ],
)
def test_user_entered_text_is_read_as_a_person_typed_it(api: Api, sheet: str, text: str, value: Any, shown: str) -> None:
    api.put(sheet, "A1", [[text]], option="USER_ENTERED")

    assert api.values(sheet) == [[value]]
    assert api.values(sheet, valueRenderOption="FORMATTED_VALUE") == [[shown]]


def test_a_typed_formula_is_a_formula_and_an_answer_never_is(api: Api, sheet: str) -> None:
    api.put(sheet, "A1", [["=1+1"]], option="USER_ENTERED")
    api.put(sheet, "A2", [["=1+1"]])

    answer = api.call("GET", f"/v4/spreadsheets/{sheet}", ranges="A1:A2", fields="sheets.data.rowData.values.userEnteredValue").json()

    kinds = [list(row["values"][0]["userEnteredValue"]) for row in answer["sheets"][0]["data"][0]["rowData"]]
    assert kinds == [["formulaValue"], ["stringValue"]]


def test_numbers_are_doubles_and_integers_past_2_to_the_53_lose_digits(api: Api, sheet: str) -> None:
    api.put(sheet, "A1", [[2**53, 2**53 + 1, 0.1, 1e300, -0.0, 3.0]])

    assert api.values(sheet) == [[2**53, 2**53, 0.1, 1e300, 0, 3]]


def test_null_skips_a_cell_and_an_empty_text_clears_it(api: Api, sheet: str) -> None:
    api.put(sheet, "A1", [["a", "b", "c"]])

    answer = api.put(sheet, "A1", [[None, "", "C"]]).json()

    assert api.values(sheet) == [["a", "", "C"]]
    assert (answer["updatedCells"], answer["updatedRange"]) == (2, "Sheet1!A1:C1")


def test_reads_leave_out_trailing_empty_cells_and_rows(api: Api, sheet: str) -> None:
    api.put(sheet, "B2", [["x", "", ""], ["", "", ""]])

    answer = api.call("GET", f"/v4/spreadsheets/{sheet}/values/A1:D9").json()

    assert answer == {"range": "Sheet1!A1:D9", "majorDimension": "ROWS", "values": [[], ["", "x"]]}
    assert "values" not in api.call("GET", f"/v4/spreadsheets/{sheet}/values/C3:D9").json()


def test_values_can_be_read_and_written_by_column(api: Api, sheet: str) -> None:
    body = {"majorDimension": "COLUMNS", "values": [["a", "b"], ["c"]]}
    api.call("PUT", f"/v4/spreadsheets/{sheet}/values/A1", body, valueInputOption="RAW")

    assert api.values(sheet) == [["a", "c"], ["b"]]
    assert api.values(sheet, majorDimension="COLUMNS") == [["a", "b"], ["c"]]


def test_several_ranges_are_read_at_once(api: Api, sheet: str) -> None:
    api.put(sheet, "A1", [["a", "b"]])

    answer = api.call("GET", f"/v4/spreadsheets/{sheet}/values:batchGet", ranges=["A1", "B1"]).json()

    assert [one["values"] for one in answer["valueRanges"]] == [[["a"]], [["b"]]]


def test_clearing_empties_values_and_keeps_formats(api: Api, sheet: str) -> None:
    api.put(sheet, "A1", [["50%", "x"]], option="USER_ENTERED")

    answer = api.call("POST", f"/v4/spreadsheets/{sheet}/values/A1:B1:clear", {})

    assert answer.json()["clearedRange"] == "Sheet1!A1:B1"
    api.put(sheet, "A1", [[0.25]])
    assert api.values(sheet, valueRenderOption="FORMATTED_VALUE") == [["25%"]]


def test_a_tab_title_is_quoted_as_google_quotes_it(api: Api, sheet: str) -> None:
    api.done(sheet, {"addSheet": {"properties": {"title": "It's a tab!"}}}, {"addSheet": {"properties": {"title": "Q12"}}})

    assert api.put(sheet, "'It''s a tab!'!A1", [["x"]]).json()["updatedRange"] == "'It''s a tab!'!A1"
    assert api.put(sheet, "'Q12'!B2", [["x"]]).json()["updatedRange"] == "'Q12'!B2"


def test_written_values_come_back_when_asked_for(api: Api, sheet: str) -> None:
    path = f"/v4/spreadsheets/{sheet}/values/A1"

    answer = api.call("PUT", path, {"values": [["0042"]]}, valueInputOption="USER_ENTERED", includeValuesInResponse="true")

    assert answer.json()["updatedData"] == {"range": "Sheet1!A1", "majorDimension": "ROWS", "values": [["42"]]}


def test_gspread_reads_back_what_it_writes(gspread_spreadsheet: Any) -> None:
    tab = gspread_spreadsheet.add_worksheet("Answers", rows=2, cols=3)
    tab.append_rows([["id", "age", "note"], ["r-1", 30, "=1+1"], ["r-2", 41, None]])
    tab.update([["forty"]], "B3")

    assert tab.get_all_records() == [{"id": "r-1", "age": 30, "note": "=1+1"}, {"id": "r-2", "age": "forty", "note": ""}]
    assert tab.find("r-2").row == 3
    assert tab.row_values(2) == ["r-1", "30", "=1+1"]
    fresh = gspread_spreadsheet.worksheet("Answers")
    assert (fresh.row_count, fresh.col_count) == (3, 3)


def test_gspread_formats_freezes_resizes_sorts_and_renames(gspread_spreadsheet: Any) -> None:
    tab = gspread_spreadsheet.add_worksheet("Handled", rows=5, cols=2)
    tab.update([["name", "n"], ["b", 2], ["a", 1]], "A1")

    tab.freeze(rows=1)
    tab.format("A1:B1", {"textFormat": {"bold": True}})
    tab.sort((1, "asc"), range="A2:B3")
    tab.insert_row(["c", 3], 2)
    tab.delete_rows(5)
    tab.resize(rows=20)
    tab.update_title("Renamed")
    copy = tab.duplicate(new_sheet_name="Again")

    assert copy.get_all_values() == [["name", "n"], ["c", "3"], ["a", "1"], ["b", "2"]]
    assert (tab.row_count, tab.frozen_row_count) == (20, 1)
    assert {"Renamed", "Again"} <= {one.title for one in gspread_spreadsheet.worksheets()}
    gspread_spreadsheet.del_worksheet(copy)
    assert "Again" not in {one.title for one in gspread_spreadsheet.worksheets()}
