"""A batch is applied as a whole or not at all, a marker is admitted once, and metadata follows what it hangs on."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from collect_pipelines.local.sheets.testing import RunningServer
from tests.contract.local_sheets_tools import (
    MARKER_EXISTS,
    Api,
    append,
    column_location,
    error,
    marker,
    row_location,
    rows_of,
)

STORAGE = "Adding the requested developer metadata would exceed the allowed storage limit"


def found(api: Api, sheet: str, **lookup: Any) -> list[dict[str, Any]]:
    """Developer metadata that a lookup matches."""
    answer = api.call("POST", f"/v4/spreadsheets/{sheet}/developerMetadata:search", {"dataFilters": [{"developerMetadataLookup": lookup}]})
    assert answer.status_code == 200, answer.text
    return [one["developerMetadata"] for one in answer.json().get("matchedDeveloperMetadata", [])]


def index_of(entry: dict[str, Any]) -> int:
    """The row or column an entry hangs on."""
    index: int = entry["location"]["dimensionRange"]["startIndex"]
    return index


def test_a_batch_with_one_bad_request_changes_nothing_on_any_tab(api: Api, sheet: str) -> None:
    api.done(sheet, {"addSheet": {"properties": {"sheetId": 7, "title": "Other"}}})

    answer = api.batch(sheet, append(["a"]), append(["b"], tab=7), marker(1), append(["c"], tab=8))

    assert error(answer) == (400, "Invalid requests[3].appendCells: No grid with id: 8")
    assert api.values(sheet) == api.values(sheet, "Other") == []
    assert found(api, sheet) == []


def test_a_values_batch_with_one_bad_range_changes_nothing(api: Api, sheet: str) -> None:
    data = [{"range": "Sheet1!A1", "values": [["x"]]}, {"range": "Sheet1!A1001", "values": [["y"]]}]

    answer = api.call("POST", f"/v4/spreadsheets/{sheet}/values:batchUpdate", {"valueInputOption": "RAW", "data": data})

    assert error(answer) == (400, "Invalid data[1]: Range (Sheet1!A1001) exceeds grid limits. Max rows: 1000, max columns: 26")
    assert api.values(sheet) == []


def test_replies_stand_in_the_order_of_the_requests(api: Api, sheet: str) -> None:
    replies = api.done(sheet, marker(5), append(["x"]), {"addSheet": {"properties": {"title": "New"}}}, marker(6))

    assert [list(reply) for reply in replies] == [["createDeveloperMetadata"], [], ["addSheet"], ["createDeveloperMetadata"]]
    assert replies[3]["createDeveloperMetadata"]["developerMetadata"]["metadataId"] == 6


def test_the_second_create_of_a_marker_refuses_the_whole_batch_in_googles_words(api: Api, sheet: str) -> None:
    api.done(sheet, marker(42), append(["r-1"]))

    again = api.batch(sheet, marker(42), append(["r-1"]))

    assert error(again) == (400, MARKER_EXISTS.format(42))
    assert again.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert api.values(sheet) == [["r-1"]]


def test_of_many_copies_of_a_batch_sent_at_once_exactly_one_lands(api: Api, sheet: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: api.batch(sheet, marker(9), append(["r-1"], ["r-2"])), range(24)))

    assert sorted(answer.status_code for answer in answers) == [200] + [400] * 23
    assert api.values(sheet) == [["r-1"], ["r-2"]]


def test_a_marker_may_come_again_after_it_was_deleted(api: Api, sheet: str) -> None:
    api.done(sheet, marker(3))

    gone = api.done(sheet, {"deleteDeveloperMetadata": {"dataFilter": {"developerMetadataLookup": {"metadataId": 3}}}})

    assert gone[0]["deleteDeveloperMetadata"]["deletedDeveloperMetadata"][0]["metadataId"] == 3
    assert api.batch(sheet, marker(3)).status_code == 200


def test_an_id_is_unique_in_the_spreadsheet_whatever_it_hangs_on(api: Api, sheet: str) -> None:
    api.done(sheet, {"addSheet": {"properties": {"sheetId": 7}}}, marker(1, location=column_location(0)))

    for location in ({"spreadsheet": True}, {"sheetId": 7}, row_location(3)):
        assert error(api.batch(sheet, marker(1, location=location))) == (400, MARKER_EXISTS.format(1))


def test_a_connect_probe_can_see_a_server_that_does_not_keep_ids_unique(api: Api, server: RunningServer, sheet: str) -> None:
    server.switches.unique_metadata_ids = False
    try:
        assert [api.batch(sheet, marker(1)).status_code for _ in range(2)] == [200, 200]
    finally:
        server.switches.unique_metadata_ids = True


def test_deleting_metadata_that_is_not_there_can_be_an_error_or_not(api: Api, server: RunningServer, sheet: str) -> None:
    delete = {"deleteDeveloperMetadata": {"dataFilter": {"developerMetadataLookup": {"metadataId": 77}}}}

    assert api.done(sheet, delete) == [{"deleteDeveloperMetadata": {}}]
    server.switches.missing_metadata_is_error = True
    try:
        assert api.batch(sheet, delete).status_code == 400
    finally:
        server.switches.missing_metadata_is_error = False


def test_one_entry_can_be_read_by_its_id(api: Api, sheet: str) -> None:
    api.done(sheet, marker(8, "1:9:0a1b2c3d"))

    answer = api.call("GET", f"/v4/spreadsheets/{sheet}/developerMetadata/8")

    assert answer.json() == {
        "metadataId": 8,
        "metadataKey": "fp",
        "metadataValue": "1:9:0a1b2c3d",
        "location": {"locationType": "SHEET", "sheetId": 0},
        "visibility": "DOCUMENT",
    }
    assert api.call("GET", f"/v4/spreadsheets/{sheet}/developerMetadata/9").status_code == 404


def test_a_search_looks_by_key_value_place_and_kind_of_place(api: Api, sheet: str) -> None:
    api.done(
        sheet,
        marker(1, "q1", metadataKey="q", location=column_location(0)),
        marker(2, "q2", metadataKey="q", location=column_location(1)),
        marker(3, "q1", metadataKey="a", location=row_location(0)),
    )

    def ids(**lookup: Any) -> list[int]:
        return [one["metadataId"] for one in found(api, sheet, **lookup)]

    assert ids(metadataKey="q") == [1, 2]
    assert ids(metadataValue="q1") == [1, 3]
    assert ids(locationType="ROW") == [3]
    assert ids(metadataLocation=column_location(1)) == [2, 3]  # a row crosses every column
    assert ids(metadataLocation=column_location(1), locationMatchingStrategy="EXACT_LOCATION") == [2]
    assert ids(metadataLocation={"sheetId": 0}) == [1, 2, 3]
    assert ids(metadataLocation={"spreadsheet": True}, locationMatchingStrategy="EXACT_LOCATION") == []


def test_row_metadata_follows_sort_insert_and_move(api: Api, sheet: str) -> None:
    api.done(sheet, append(["key"], ["k-001"], ["k-002"], ["k-003"]), marker(1, "anchor", location=row_location(2)))

    def anchored() -> str:
        row = index_of(found(api, sheet, metadataId=1)[0])
        return str(api.values(sheet, f"Sheet1!A{row + 1}")[0][0])

    sort = {"range": {"sheetId": 0, "startRowIndex": 1}, "sortSpecs": [{"dimensionIndex": 0, "sortOrder": "DESCENDING"}]}
    insert = {"range": {"sheetId": 0, "dimension": "ROWS", "startIndex": 1, "endIndex": 4}}
    move = {"source": {"sheetId": 0, "dimension": "ROWS", "startIndex": 4, "endIndex": 6}, "destinationIndex": 1}
    for request in ({"sortRange": sort}, {"insertDimension": insert}, {"moveDimension": move}):
        api.done(sheet, request)

        assert anchored() == "k-002"


def test_column_metadata_follows_inserted_and_moved_columns(api: Api, sheet: str) -> None:
    api.done(sheet, append(["age", "name"]), marker(1, "name", location=column_location(1)))
    span = {"sheetId": 0, "dimension": "COLUMNS", "startIndex": 0, "endIndex": 1}

    api.done(sheet, {"insertDimension": {"range": span}})
    assert index_of(found(api, sheet, metadataId=1)[0]) == 2

    api.done(sheet, {"moveDimension": {"source": span | {"startIndex": 2, "endIndex": 3}, "destinationIndex": 0}})
    assert index_of(found(api, sheet, metadataId=1)[0]) == 0
    assert api.values(sheet) == [["name", "", "age"]]


def test_metadata_dies_with_its_row_column_and_tab(api: Api, sheet: str) -> None:
    api.done(
        sheet,
        {"addSheet": {"properties": {"sheetId": 7}}},
        marker(1, location=row_location(2)),
        marker(2, location=column_location(1)),
        marker(3, location={"sheetId": 7}),
        marker(4, location={"spreadsheet": True}),
    )

    api.done(
        sheet,
        {"deleteDimension": {"range": {"sheetId": 0, "dimension": "ROWS", "startIndex": 2, "endIndex": 3}}},
        {"deleteDimension": {"range": {"sheetId": 0, "dimension": "COLUMNS", "startIndex": 0, "endIndex": 2}}},
        {"deleteSheet": {"sheetId": 7}},
    )

    assert [one["metadataId"] for one in found(api, sheet)] == [4]


def test_metadata_of_a_tab_holds_30_000_characters_and_not_one_more(api: Api, sheet: str) -> None:
    api.done(sheet, {"addSheet": {"properties": {"sheetId": 7}}}, marker(1, "x" * 29_000))

    assert error(api.batch(sheet, marker(2, "x" * 999))) == (400, f"Invalid requests[0].createDeveloperMetadata: {STORAGE}")
    api.done(
        sheet,
        marker(2, "x" * 996),
        marker(3, "x" * 29_998, location={"sheetId": 7}),
        marker(4, "x" * 29_998, location={"spreadsheet": True}),
    )
    assert api.batch(sheet, marker(5, "", metadataKey="k", location=row_location(0))).status_code == 400
    api.done(sheet, {"deleteDeveloperMetadata": {"dataFilter": {"developerMetadataLookup": {"metadataId": 2}}}}, marker(5, "x" * 996))


def test_metadata_for_one_project_is_hidden_from_others(api: Api, server: RunningServer, sheet: str) -> None:
    api.done(sheet, marker(1, visibility="PROJECT"), marker(2))
    stranger = server.identity.add_person("stranger", project="elsewhere")
    server.people(sheet).share(stranger.email)

    with Api(server.base_url, server.identity.credentials_path("stranger")) as other:
        assert [one["metadataId"] for one in found(other, sheet)] == [2]
        assert error(other.batch(sheet, marker(1))) == (400, MARKER_EXISTS.format(1))


def test_values_are_read_and_written_through_anchors(api: Api, sheet: str) -> None:
    api.done(sheet, append(["id", "age"], ["r-1", "30"], ["r-2", "40"]), marker(1, "r-2", location=row_location(2)))
    anchor = {"developerMetadataLookup": {"metadataId": 1}}

    read = api.call("POST", f"/v4/spreadsheets/{sheet}/values:batchGetByDataFilter", {"dataFilters": [anchor]}).json()
    assert read["valueRanges"] == [
        {"valueRange": {"range": "Sheet1!A3:Z3", "majorDimension": "ROWS", "values": [["r-2", "40"]]}, "dataFilters": [anchor]}
    ]

    data = [{"dataFilter": anchor, "values": [[None, "41"]]}]
    path = f"/v4/spreadsheets/{sheet}/values:batchUpdateByDataFilter"
    written = api.call("POST", path, {"valueInputOption": "RAW", "data": data}).json()
    assert written["totalUpdatedCells"] == 1
    assert written["responses"][0]["dataFilter"] == anchor
    assert api.values(sheet) == [["id", "age"], ["r-1", "30"], ["r-2", "41"]]


def test_metadata_can_be_changed_where_a_filter_finds_it(api: Api, sheet: str) -> None:
    api.done(sheet, marker(1, "old"))
    change = {
        "dataFilters": [{"developerMetadataLookup": {"metadataKey": "fp"}}],
        "developerMetadata": {"metadataValue": "new"},
        "fields": "metadataValue",
    }

    api.done(sheet, {"updateDeveloperMetadata": change})

    assert found(api, sheet)[0]["metadataValue"] == "new"


@pytest.mark.parametrize(
    ("properties", "kind"),
    [({"sheetId": 0, "title": "Fresh"}, "ID 0"), ({"title": "Sheet1"}, '"Sheet1"'), ({"title": "SHEET1"}, '"SHEET1"')],
)
def test_a_tab_id_or_title_that_exists_refuses_the_batch(api: Api, sheet: str, properties: dict[str, Any], kind: str) -> None:
    code, text = error(api.batch(sheet, append(["x"]), {"addSheet": {"properties": properties}}))

    assert code == 400
    assert text.startswith("Invalid requests[1].addSheet: A sheet with")
    assert kind in text
    assert "already exists" in text
    assert api.values(sheet) == []


def test_the_last_visible_tab_can_neither_be_hidden_nor_deleted(api: Api, sheet: str) -> None:
    hide = {"updateSheetProperties": {"properties": {"sheetId": 0, "hidden": True}, "fields": "hidden"}}

    assert error(api.batch(sheet, hide)) == (400, "Invalid requests[0].updateSheetProperties: You can't hide all the sheets in a document.")
    assert api.batch(sheet, {"deleteSheet": {"sheetId": 0}}).status_code == 400


def test_a_spreadsheet_is_created_with_tabs_cells_and_metadata_at_once(api: Api) -> None:
    sheet = api.create(
        properties={"title": "Survey"},
        sheets=[
            {
                "properties": {"sheetId": 3, "title": "Answers", "gridProperties": {"rowCount": 2, "columnCount": 2, "frozenRowCount": 1}},
                "data": [{"rowData": rows_of(["Response", "Age"])}],
                "developerMetadata": [{"metadataId": 1, "metadataKey": "form", "visibility": "DOCUMENT"}],
            }
        ],
    )

    assert api.values(sheet, "Answers") == [["Response", "Age"]]
    shown = api.call("GET", f"/v4/spreadsheets/{sheet}").json()["sheets"]
    assert shown[0]["properties"]["gridProperties"] == {"rowCount": 2, "columnCount": 2, "frozenRowCount": 1}
    assert shown[0]["developerMetadata"][0]["location"] == {"locationType": "SHEET", "sheetId": 3}
