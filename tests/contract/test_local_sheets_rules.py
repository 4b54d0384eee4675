"""Protections, links, filters and what follows rows and columns: the rules people's sheets bring along."""

from collections.abc import Iterator
from typing import Any

import pytest

from collect_pipelines.local.sheets.testing import RunningServer
from tests.contract.local_sheets_tools import Api, append, column_location, error, marker, row_location

PROTECTED = (
    "You are trying to edit a protected cell or object. Please contact the spreadsheet owner to remove protection if you need to edit."
)


@pytest.fixture
def colleague(server: RunningServer, sheet: str) -> Iterator[Api]:
    if "colleague" not in server.identity.accounts:
        server.identity.add_person("colleague")
    server.people(sheet).share("colleague@sheets.local")
    with Api(server.base_url, server.identity.credentials_path("colleague")) as calling:
        yield calling


def protection(**wanted: Any) -> dict[str, Any]:
    """An addProtectedRange request on the first tab."""
    span = {"sheetId": 0} | wanted.pop("range", {"startRowIndex": 0, "endRowIndex": 1})
    return {"addProtectedRange": {"protectedRange": {"range": span, **wanted}}}


def cell(api: Api, sheet: str, place: str = "A1") -> dict[str, Any]:
    """The CellData of a cell."""
    answer = api.call("GET", f"/v4/spreadsheets/{sheet}", ranges=place, includeGridData="true").json()
    data: dict[str, Any] = answer["sheets"][0]["data"][0]["rowData"][0]["values"][0]
    return data


def write(cell_data: dict[str, Any], fields: str = "*") -> dict[str, Any]:
    """An updateCells request for A1."""
    return {"updateCells": {"start": {"sheetId": 0}, "rows": [{"values": [cell_data]}], "fields": fields}}


def test_the_id_of_a_protected_range_may_be_chosen_and_is_unique_so_a_second_copy_of_a_batch_is_refused(api: Api, sheet: str) -> None:
    batch = [protection(protectedRangeId=77, warningOnly=True, description="1:2:abcdef"), append(["once"])]
    assert api.done(sheet, *batch)[0]["addProtectedRange"]["protectedRange"]["protectedRangeId"] == 77

    answer = api.batch(sheet, *batch)

    assert error(answer)[0] == 400
    assert error(answer)[1].startswith("Invalid requests[0].addProtectedRange: ")
    assert "already exists" in error(answer)[1]
    assert api.values(sheet) == [["once"]]
    api.done(sheet, {"deleteProtectedRange": {"protectedRangeId": 77}})
    text = "Invalid requests[0].deleteProtectedRange: No protected range with id: 77"
    assert error(api.batch(sheet, {"deleteProtectedRange": {"protectedRangeId": 77}})) == (400, text)


def test_a_warning_keeps_nobody_out_and_has_no_editors(api: Api, sheet: str, colleague: Api) -> None:
    api.done(sheet, protection(warningOnly=True))

    colleague.done(sheet, append(["only warned"]))
    refused = api.batch(sheet, protection(warningOnly=True, editors={"users": ["x@sheets.local"]}))
    assert error(refused)[1].endswith("ProtectedRange is warningOnly. Editors cannot be set on it.")


def test_a_tab_is_protected_as_a_whole_once_and_then_its_properties_are_too(api: Api, sheet: str, colleague: Api) -> None:
    api.done(sheet, protection(range={}))

    again = error(api.batch(sheet, protection(range={})))
    assert again == (400, 'Invalid requests[0].addProtectedRange: Sheet "Sheet1" already has sheet protection.')
    for kind, request in {
        "updateSheetProperties": {"properties": {"sheetId": 0, "title": "Mine"}, "fields": "title"},
        "appendDimension": {"sheetId": 0, "dimension": "COLUMNS", "length": 1},
        "addProtectedRange": {"protectedRange": {"range": {"sheetId": 0, "endRowIndex": 1}}},
    }.items():
        assert error(colleague.batch(sheet, {kind: request})) == (400, f"Invalid requests[0].{kind}: {PROTECTED}")


def test_who_may_not_edit_a_range_may_not_change_its_protection_and_no_editor_locks_himself_out(
    api: Api, sheet: str, colleague: Api, server: RunningServer
) -> None:
    number = api.done(sheet, protection())[0]["addProtectedRange"]["protectedRange"]["protectedRangeId"]

    assert error(colleague.batch(sheet, {"deleteProtectedRange": {"protectedRangeId": number}}))[1].endswith(PROTECTED)
    allow = {"protectedRangeId": number, "editors": {"users": ["colleague@sheets.local"]}}
    api.done(sheet, {"updateProtectedRange": {"protectedRange": allow, "fields": "editors"}})
    colleague.done(sheet, append(["now I may"]))
    editors = server.people(sheet).workbook.tabs[0].protected[0]["editors"]["users"]
    assert set(editors) == {server.person_email, "colleague@sheets.local"}


def test_a_hyperlink_formula_stays_a_formula_and_shows_its_label(api: Api, sheet: str) -> None:
    formula = '=HYPERLINK("https://example.org/2", "Part ""2""")'
    api.done(sheet, write({"userEnteredValue": {"formulaValue": formula}}))

    found = cell(api, sheet)
    assert found["userEnteredValue"] == {"formulaValue": formula}
    assert (found["formattedValue"], found["hyperlink"]) == ('Part "2"', "https://example.org/2")
    assert api.values(sheet) == [['Part "2"']]
    assert api.values(sheet, valueRenderOption="FORMULA") == [[formula]]


def test_a_link_on_all_of_a_text_is_the_cells_link_and_a_new_value_ends_its_runs(api: Api, sheet: str) -> None:
    link = {"link": {"uri": "https://example.org/full"}}
    text = {"userEnteredValue": {"stringValue": "read it all"}}
    api.done(sheet, write(text | {"textFormatRuns": [{"format": link}]}))
    assert cell(api, sheet)["hyperlink"] == "https://example.org/full"

    api.done(sheet, write(text | {"textFormatRuns": [{"format": link}, {"startIndex": 5, "format": {}}]}))
    assert "hyperlink" not in cell(api, sheet)
    api.done(sheet, write({"userEnteredValue": {"stringValue": "new"}}, "userEnteredValue"))
    assert "textFormatRuns" not in cell(api, sheet)
    api.done(sheet, write(text | {"userEnteredFormat": {"textFormat": link}}))
    assert cell(api, sheet)["hyperlink"] == "https://example.org/full"


@pytest.mark.parametrize(
    "data",
    [
        {"userEnteredValue": {"numberValue": 5}, "textFormatRuns": [{"startIndex": 0}]},
        {"userEnteredValue": {"stringValue": "ab"}, "textFormatRuns": [{"startIndex": 2}]},
        {"userEnteredValue": {"stringValue": "ab"}, "textFormatRuns": [{"startIndex": 1}, {"startIndex": 1}]},
    ],
)
def test_runs_belong_on_text_and_inside_it(api: Api, sheet: str, data: dict[str, Any]) -> None:
    assert api.batch(sheet, write(data)).status_code == 400


@pytest.mark.parametrize(
    ("condition", "shown"),
    [
        ({"type": "TEXT_CONTAINS", "values": [{"userEnteredValue": "A"}]}, ["Asha", "Ravi"]),
        ({"type": "TEXT_EQ", "values": [{"userEnteredValue": "asha"}]}, ["Asha"]),
        ({"type": "BLANK"}, [None]),
        ({"type": "NUMBER_BETWEEN", "values": [{"userEnteredValue": "1"}, {"userEnteredValue": "7"}]}, [7]),
    ],
)
def test_a_filter_hides_by_condition_and_deleted_rows_may_be_hidden_ones(
    api: Api, sheet: str, server: RunningServer, condition: dict[str, Any], shown: list[Any]
) -> None:
    everyone = ["Asha", 7, None, "Ravi"]
    api.done(sheet, append(["name", "n"], *[[one, place] for place, one in enumerate(everyone)]))
    spec = {"columnIndex": 0, "filterCriteria": {"condition": condition}}
    span = {"sheetId": 0, "endRowIndex": 5, "endColumnIndex": 2}

    api.done(sheet, {"setBasicFilter": {"filter": {"range": span, "filterSpecs": [spec]}}})

    hidden = {
        index for index, properties in server.people(sheet).workbook.tabs[0].row_properties.items() if properties.get("hiddenByFilter")
    }
    assert [one for place, one in enumerate(everyone, 1) if place not in hidden] == shown
    api.done(sheet, {"deleteDimension": {"range": {"sheetId": 0, "dimension": "ROWS", "startIndex": 1, "endIndex": 5}}})
    assert api.values(sheet) == [["name", "n"]]


def test_a_condition_we_do_not_know_is_said_to_be_unknown(api: Api, sheet: str) -> None:
    spec = {"filterCriteria": {"condition": {"type": "DATE_AFTER", "values": [{"relativeDate": "TODAY"}]}}}

    assert (
        api.batch(sheet, append(["a"], ["b"]), {"setBasicFilter": {"filter": {"range": {"sheetId": 0}, "filterSpecs": [spec]}}}).status_code
        == 501
    )


def test_a_filter_sorts_as_it_says_and_its_columns_move_with_the_sheets(api: Api, sheet: str, server: RunningServer) -> None:
    api.done(sheet, append(["name"], ["b"], ["a"]), marker(5, location=row_location(1)))
    wanted = {
        "range": {"sheetId": 0},
        "sortSpecs": [{"dimensionIndex": 0, "sortOrder": "ASCENDING"}],
        "criteria": {"0": {"hiddenValues": ["b"]}},
    }

    api.done(sheet, {"setBasicFilter": {"filter": wanted}})
    server.people(sheet).insert_columns("Sheet1", 0)

    assert api.values(sheet) == [["", "name"], ["", "a"], ["", "b"]]
    answer = api.call("GET", f"/v4/spreadsheets/{sheet}/developerMetadata/5").json()
    assert answer["location"]["dimensionRange"]["startIndex"] == 2
    rest = server.people(sheet).workbook.tabs[0].basic_filter
    assert rest is not None and list(rest["rest"]["criteria"]) == ["1"]


@pytest.mark.parametrize("carried", [False, True])
def test_whether_a_copied_tab_takes_its_metadata_along_is_not_known_so_it_can_be_switched(
    api: Api, sheet: str, server: RunningServer, carried: bool
) -> None:
    api.done(sheet, append(["a"]), marker(1, location=column_location(0)))
    server.switches.copies_carry_metadata = carried
    try:
        copy = api.done(sheet, {"duplicateSheet": {"sourceSheetId": 0}})[0]["duplicateSheet"]["properties"]["sheetId"]
    finally:
        server.switches.copies_carry_metadata = False

    found = api.call(
        "POST", f"/v4/spreadsheets/{sheet}/developerMetadata:search", {"dataFilters": [{"developerMetadataLookup": {"metadataKey": "fp"}}]}
    )
    entries = [one["developerMetadata"] for one in found.json()["matchedDeveloperMetadata"]]
    assert len({entry["metadataId"] for entry in entries}) == 1 + carried
    assert (copy in {entry["location"]["dimensionRange"]["sheetId"] for entry in entries}) == carried


def test_the_spreadsheet_has_a_budget_of_metadata_of_its_own(api: Api, sheet: str) -> None:
    everywhere = {"spreadsheet": True}
    api.done(sheet, marker(1, "x" * 19_998, location=everywhere))

    assert api.batch(sheet, marker(2, "x" * 10_000, location=everywhere)).status_code == 400
    api.done(sheet, marker(2, "x" * 10_000))
    api.done(sheet, marker(3, "x" * 9_998, location=everywhere))


def test_row_tags_are_found_written_and_read_as_googles_guide_to_metadata_shows(api: Api, sheet: str) -> None:
    # developers.google.com/workspace/sheets/api/guides/metadata: a row is tagged, moves, and is written by its tag.
    api.done(sheet, append(["head"], ["one"], ["two"]), marker(10, "resp123", location=row_location(1)))
    api.done(sheet, {"insertDimension": {"range": {"sheetId": 0, "dimension": "ROWS", "startIndex": 1, "endIndex": 3}}})
    by_tag = {"developerMetadataLookup": {"metadataKey": "fp", "metadataValue": "resp123"}}

    read = api.call("POST", f"/v4/spreadsheets/{sheet}/values:batchGetByDataFilter", {"dataFilters": [by_tag]}).json()
    assert read["valueRanges"][0]["valueRange"] == {"range": "Sheet1!A4:Z4", "majorDimension": "ROWS", "values": [["one"]]}
    data = {"valueInputOption": "RAW", "data": [{"dataFilter": by_tag, "values": [[None, "beside it"]]}]}
    assert api.call("POST", f"/v4/spreadsheets/{sheet}/values:batchUpdateByDataFilter", data).json()["totalUpdatedCells"] == 1
    assert api.values(sheet, "Sheet1!A4:B4") == [["one", "beside it"]]


def test_inserted_rows_and_columns_look_like_the_neighbour_asked_for(api: Api, sheet: str) -> None:
    paint = {"range": {"sheetId": 0, "endRowIndex": 1, "endColumnIndex": 1}, "fields": "userEnteredFormat"}
    red = {"userEnteredFormat": {"backgroundColor": {"red": 1}}}
    api.done(sheet, append(["head", "plain"]), {"repeatCell": paint | {"cell": red}})

    def insert(dimension: str, start: int, before: bool) -> dict[str, Any]:
        span = {"sheetId": 0, "dimension": dimension, "startIndex": start, "endIndex": start + 1}
        return {"insertDimension": {"range": span, "inheritFromBefore": before}}

    api.done(sheet, insert("COLUMNS", 1, True), insert("COLUMNS", 2, False), insert("ROWS", 0, False))

    assert cell(api, sheet, "A1") == {"userEnteredFormat": red["userEnteredFormat"], "effectiveFormat": red["userEnteredFormat"]}
    assert cell(api, sheet, "B2")["userEnteredFormat"] == red["userEnteredFormat"]
    assert cell(api, sheet, "C2") == {}
    assert api.values(sheet) == [[], ["head", "", "", "plain"]]
