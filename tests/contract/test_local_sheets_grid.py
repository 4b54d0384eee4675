"""The grid has Google's walls: what grows, what does not, and where appended rows go."""

from typing import Any

import pytest

from collect_pipelines.local.sheets.testing import RunningServer
from tests.contract.local_sheets_tools import Api, append, error, rows_of

PROTECTED = (
    "Invalid requests[0].appendCells: You are trying to edit a protected cell or object. "
    "Please contact the spreadsheet owner to remove protection if you need to edit."
)


def sized(api: Api, rows: int, columns: int) -> str:
    """A spreadsheet with one tab `T` of this size."""
    return api.create(sheets=[{"properties": {"sheetId": 0, "title": "T", "gridProperties": {"rowCount": rows, "columnCount": columns}}}])


def size(api: Api, sheet: str) -> tuple[int, int]:
    """Rows and columns of the first tab."""
    grid = api.call("GET", f"/v4/spreadsheets/{sheet}").json()["sheets"][0]["properties"]["gridProperties"]
    return grid["rowCount"], grid["columnCount"]


def test_appended_cells_grow_rows_but_never_columns(api: Api) -> None:
    sheet = sized(api, 2, 25)

    api.done(sheet, append(["a"], ["b"], ["c"]))
    assert size(api, sheet) == (3, 25)

    answer = api.batch(sheet, append(["x"] * 26))
    assert error(answer) == (
        400,
        "Invalid requests[0].appendCells: Attempting to write column: 25, beyond the last requested column of: 24",
    )


def test_columns_are_made_in_the_same_batch_as_the_cells_that_need_them(api: Api) -> None:
    sheet = sized(api, 2, 1)

    api.done(sheet, {"appendDimension": {"sheetId": 0, "dimension": "COLUMNS", "length": 2}}, append(["a", "b", "c"]))

    assert api.values(sheet, "T") == [["a", "b", "c"]]


def test_appended_cells_go_below_the_last_data_of_the_whole_sheet_past_gaps_and_hidden_rows(api: Api, server: RunningServer) -> None:
    sheet = sized(api, 10, 5)
    api.put(sheet, "T!A1", [["head"], ["one"]])
    api.put(sheet, "T!E6", [["far away"]])
    server.people(sheet).hide_rows("T", 5, 6)

    api.done(sheet, append(["new"]))

    assert api.values(sheet, "T!A7:E7") == [["new"]]


def test_a_mere_format_is_no_data_to_append_after(api: Api) -> None:
    sheet = sized(api, 10, 2)
    bold = {
        "range": {"sheetId": 0, "startRowIndex": 4, "endRowIndex": 5},
        "cell": {"userEnteredFormat": {"textFormat": {"bold": True}}},
        "fields": "userEnteredFormat",
    }
    api.done(sheet, {"repeatCell": bold}, append(["first"]))

    assert api.values(sheet, "T!A1:A2") == [["first"]]


def test_values_update_never_grows_the_grid(api: Api) -> None:
    sheet = sized(api, 1016, 26)

    assert error(api.put(sheet, "T!A1017", [["x"]])) == (400, "Range (T!A1017) exceeds grid limits. Max rows: 1016, max columns: 26")
    assert api.put(sheet, "T!A1016", [["x"], ["y"]]).status_code == 400
    assert error(api.put(sheet, "T!A3:L113", [["x"] * 13])) == (
        400,
        "Requested writing within range [T!A3:L113], but tried writing to column [M]",
    )


def test_a_range_that_starts_past_the_grid_is_refused_and_one_that_ends_past_it_is_clipped(api: Api) -> None:
    sheet = sized(api, 1000, 26)

    answer = api.call("GET", f"/v4/spreadsheets/{sheet}/values/T!A1001")
    assert error(answer) == (400, "Range (T!A1001) exceeds grid limits. Max rows: 1000, max columns: 26")
    assert api.call("GET", f"/v4/spreadsheets/{sheet}/values/T!Y999:AC2000").json()["range"] == "T!Y999:Z1000"


def test_allocated_cells_have_a_limit_and_empty_ones_count(api: Api, server: RunningServer) -> None:
    server.limits.cells = 100
    try:
        sheet = sized(api, 10, 9)
        text = "This action would increase the number of cells in the workbook above the limit of 100 cells."

        add = {"addSheet": {"properties": {"gridProperties": {"rowCount": 2, "columnCount": 6}}}}
        assert error(api.batch(sheet, add)) == (400, f"Invalid requests[0].addSheet: {text}")
        assert error(api.batch(sheet, append(*[["x"]] * 12))) == (400, f"Invalid requests[0].appendCells: {text}")
        api.done(sheet, append(*[["x"]] * 11))
    finally:
        server.limits.cells = 10_000_000


def test_columns_end_at_zzz(api: Api) -> None:
    sheet = sized(api, 1, 18_278)

    assert api.batch(sheet, {"appendDimension": {"sheetId": 0, "dimension": "COLUMNS", "length": 1}}).status_code == 400
    assert api.put(sheet, "T!ZZZ1", [["last"]]).json()["updatedRange"] == "T!ZZZ1"


def test_a_document_holds_200_tabs(api: Api) -> None:
    sheet = sized(api, 1, 1)
    api.done(
        sheet,
        *[
            {"addSheet": {"properties": {"title": f"T{number}", "gridProperties": {"rowCount": 1, "columnCount": 1}}}}
            for number in range(199)
        ],
    )

    assert api.batch(sheet, {"addSheet": {"properties": {"title": "one more"}}}).status_code == 400


@pytest.mark.parametrize(
    ("text", "fits"), [("x" * 50_000, True), ("x" * 50_001, False), ("\U0001f600" * 25_000, True), ("\U0001f600" * 25_001, False)]
)
def test_a_cell_holds_50_000_utf_16_units_and_one_long_cell_fails_the_whole_request(api: Api, sheet: str, text: str, fits: bool) -> None:
    answer = api.batch(sheet, append(["fine"]), append([text]))

    assert answer.status_code == (200 if fits else 400)
    if not fits:
        problem = "Your input contains more than the maximum of 50000 characters in a single cell."
        assert error(answer)[1] == f"Invalid requests[1].appendCells: {problem}"
        assert error(api.put(sheet, "A1", [[text]])) == (400, problem)
        assert api.values(sheet) == []


GUIDE = {"A1:C2": [["x"] * 3] * 2, "B4:D6": [["x"] * 3] * 3}


@pytest.mark.parametrize(
    ("place", "written"),
    [
        ("Sheet1", "Sheet1!B7"),
        ("Sheet1!B4", "Sheet1!B7"),
        ("Sheet1!C5:D5", "Sheet1!B7"),
        ("Sheet1!B2:D4", "Sheet1!B7"),
        ("Sheet1!A3:G10", "Sheet1!B7"),
        ("Sheet1!A1", "Sheet1!A3"),
        ("Sheet1!E4", "Sheet1!E4"),
        ("Sheet1!A4", "Sheet1!A4"),
    ],
)
def test_values_append_finds_the_tables_of_googles_guide(api: Api, sheet: str, place: str, written: str) -> None:
    for area, values in GUIDE.items():
        api.put(sheet, area, values)

    answer = api.call("POST", f"/v4/spreadsheets/{sheet}/values/{place}:append", {"values": [["new"]]}, valueInputOption="RAW")

    assert answer.json()["updates"]["updatedRange"] == written


def test_values_append_shifts_columns_when_the_last_row_has_a_gap(api: Api, sheet: str) -> None:
    api.put(sheet, "A1", [["X", "", "Y"]])

    answer = api.call("POST", f"/v4/spreadsheets/{sheet}/values/Sheet1:append", {"values": [["a", "b"]]}, valueInputOption="RAW").json()

    assert (answer["tableRange"], answer["updates"]["updatedRange"]) == ("Sheet1!C1", "Sheet1!C2:D2")


def test_values_append_overwrites_what_lies_below_unless_it_inserts(api: Api, sheet: str) -> None:
    api.put(sheet, "A1:A2", [["head"], ["one"]])
    api.put(sheet, "C3", [["a note of mine"]])
    path = f"/v4/spreadsheets/{sheet}/values/A1:append"

    api.call("POST", path, {"values": [["two", "b", "over it"]]}, valueInputOption="RAW", insertDataOption="OVERWRITE")
    assert api.values(sheet) == [["head"], ["one"], ["two", "b", "over it"]]

    api.put(sheet, "A5", [["apart"]])
    api.call("POST", path, {"values": [["three"]]}, valueInputOption="RAW", insertDataOption="INSERT_ROWS")
    assert api.values(sheet, "A4:A6") == [["three"], [], ["apart"]]


def test_values_append_overwrites_rows_that_a_filter_hides(api: Api, server: RunningServer, sheet: str) -> None:
    api.put(sheet, "A1:A3", [["head"], ["seen"], ["hidden"]])
    server.people(sheet).filter("Sheet1", 0, ["hidden"])

    api.call("POST", f"/v4/spreadsheets/{sheet}/values/Sheet1:append", {"values": [["new"]]}, valueInputOption="RAW")
    assert api.values(sheet) == [["head"], ["seen"], ["new"]]

    api.done(sheet, append(["appended cells do not"]))
    assert api.values(sheet)[3] == ["appended cells do not"]


def sort(column: int, order: str, **area: int) -> dict[str, Any]:
    """A sortRange request below the header."""
    return {
        "sortRange": {"range": {"sheetId": 0, "startRowIndex": 1, **area}, "sortSpecs": [{"dimensionIndex": column, "sortOrder": order}]}
    }


def test_sorting_puts_numbers_before_texts_turns_round_and_leaves_blanks_last(api: Api, sheet: str) -> None:
    api.done(sheet, append(["head", "n"], ["b", 1], [2, 2], [None, 3], ["a", 4], [10, 5]))

    api.done(sheet, sort(0, "ASCENDING"))
    assert [row[1] for row in api.values(sheet)[1:]] == [2, 5, 4, 1, 3]
    api.done(sheet, sort(0, "DESCENDING"))
    assert [row[1] for row in api.values(sheet)[1:]] == [1, 4, 5, 2, 3]


def test_sorting_leaves_hidden_rows_where_they_are_and_refuses_vertical_merges(api: Api, server: RunningServer, sheet: str) -> None:
    api.done(sheet, append(["head"], ["c"], ["b"], ["a"]))
    server.people(sheet).hide_rows("Sheet1", 2, 3)

    api.done(sheet, sort(0, "ASCENDING"))
    assert api.values(sheet) == [["head"], ["a"], ["b"], ["c"]]

    merge = {
        "mergeCells": {
            "range": {"sheetId": 0, "startRowIndex": 1, "endRowIndex": 3, "startColumnIndex": 1, "endColumnIndex": 2},
            "mergeType": "MERGE_ALL",
        }
    }
    api.done(sheet, merge)
    assert api.batch(sheet, sort(0, "ASCENDING")).status_code == 400


def test_a_protected_range_keeps_others_out_until_its_owner_removes_it(api: Api, server: RunningServer, sheet: str) -> None:
    server.identity.add_person("colleague")
    people = server.people(sheet)
    people.share("colleague@sheets.local")

    with Api(server.base_url, server.identity.credentials_path("colleague")) as colleague:
        people.protect("Sheet1", warning_only=True)
        colleague.done(sheet, append(["only warned"]))
        number = people.protect("Sheet1")
        assert error(colleague.batch(sheet, append(["x"]))) == (400, PROTECTED)
        assert colleague.put(sheet, "A1", [["x"]]).status_code == 400
        api.done(sheet, append(["the owner may"]))
        people.unprotect(number)
        colleague.done(sheet, append(["now I may"]))

    assert api.values(sheet) == [["only warned"], ["the owner may"], ["now I may"]]


def test_rows_are_inserted_inside_the_grid_only(api: Api) -> None:
    sheet = sized(api, 10, 1)

    def insert(start: int, **extra: Any) -> dict[str, Any]:
        return {"insertDimension": {"range": {"sheetId": 0, "dimension": "ROWS", "startIndex": start, "endIndex": start + 1}, **extra}}

    text = "range.startIndex must be less than the grid size (10) if inheritFromBefore is false."
    assert error(api.batch(sheet, insert(10))) == (400, f"Invalid requests[0].insertDimension: {text}")
    assert api.batch(sheet, insert(11, inheritFromBefore=True)).status_code == 400
    api.done(sheet, insert(10, inheritFromBefore=True))
    assert size(api, sheet) == (11, 1)


def test_not_all_rows_and_columns_can_be_deleted_or_frozen(api: Api) -> None:
    sheet = sized(api, 3, 2)

    everything = {"deleteDimension": {"range": {"sheetId": 0, "dimension": "ROWS"}}}
    assert error(api.batch(sheet, everything)) == (400, "Invalid requests[0].deleteDimension: You can't delete all the rows on the sheet.")
    frozen = {
        "updateSheetProperties": {
            "properties": {"sheetId": 0, "gridProperties": {"frozenRowCount": 3}},
            "fields": "gridProperties.frozenRowCount",
        }
    }
    assert api.batch(sheet, frozen).status_code == 400


def test_writing_cells_keeps_or_resets_the_format_as_the_mask_says(api: Api, sheet: str) -> None:
    bold = {"userEnteredFormat": {"textFormat": {"bold": True}}}
    api.done(
        sheet, {"updateCells": {"start": {"sheetId": 0}, "rows": [{"values": [rows_of(["a"])[0]["values"][0] | bold]}], "fields": "*"}}
    )

    def cell() -> dict[str, Any]:
        answer = api.call(
            "GET", f"/v4/spreadsheets/{sheet}", ranges="A1", fields="sheets.data.rowData.values(userEnteredValue,userEnteredFormat)"
        )
        data: dict[str, Any] = answer.json()["sheets"][0]["data"][0]["rowData"][0]["values"][0]
        return data

    api.done(sheet, {"updateCells": {"start": {"sheetId": 0}, "rows": rows_of(["b"]), "fields": "userEnteredValue"}})
    assert cell() == {"userEnteredValue": {"stringValue": "b"}} | bold
    api.done(sheet, {"updateCells": {"start": {"sheetId": 0}, "rows": rows_of(["c"]), "fields": "*"}})
    assert cell() == {"userEnteredValue": {"stringValue": "c"}}
