"""gspread's own calls do to the local server what its documentation says they do to Google's."""

from collections.abc import Iterator
from typing import Any

import gspread
import pytest

from collect_pipelines.local.sheets.testing import RunningServer, gspread_client


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[Any]:
    made = gspread_client(server.base_url, server.person_credentials)
    yield made
    made.http_client.session.close()


@pytest.fixture(scope="module")
def book(client: Any) -> Any:
    return client.create("Through gspread")


@pytest.fixture
def tab(book: Any, request: pytest.FixtureRequest) -> Any:
    return book.add_worksheet(request.node.name[:90], rows=6, cols=3)


def test_rows_are_appended_one_by_one_and_together(tab: Any) -> None:
    tab.append_row(["id", "age"])
    answer = tab.append_rows([["r-1", 30], ["r-2", 41]], value_input_option="RAW", insert_data_option="INSERT_ROWS", table_range="A1")

    assert answer["updates"]["updatedRange"].endswith("!A2:B3")
    assert tab.get_all_values() == [["id", "age"], ["r-1", "30"], ["r-2", "41"]]


def test_ranges_are_updated_read_and_cleared_in_batches(tab: Any) -> None:
    tab.batch_update([{"range": "A1:B1", "values": [["id", "age"]]}, {"range": "A3", "values": [["r-2"]]}])
    tab.update_acell("B3", "7")
    tab.update_cell(2, 1, "r-1")

    assert tab.batch_get(["A1:B1", "A3:B3"]) == [[["id", "age"]], [["r-2", "7"]]]
    tab.batch_clear(["A2:A3"])
    assert tab.get_all_values() == [["id", "age"], ["", ""], ["", "7"]]
    assert tab.col_values(2) == ["age", "", "7"]


def test_a_cell_list_is_written_at_once(tab: Any) -> None:
    cells = tab.range("A1:B2")
    for number, cell in enumerate(cells):
        cell.value = f"v{number}"
    tab.update_cells(cells)

    assert tab.get("A1:B2") == [["v0", "v1"], ["v2", "v3"]]
    assert [cell.address for cell in tab.findall("v2")] == ["A2"]


def test_rows_and_columns_are_inserted_and_deleted(tab: Any) -> None:
    tab.update([["a", "b", "c"], ["1", "2", "3"]])
    tab.insert_rows([["x", "y"]], row=2)
    tab.insert_cols([["new"]], col=2)
    assert tab.get_all_values() == [["a", "new", "b", "c"], ["x", "", "y", ""], ["1", "", "2", "3"]]

    tab.delete_rows(2)
    tab.delete_columns(2)
    assert tab.get_all_values() == [["a", "b", "c"], ["1", "2", "3"]]
    tab.add_rows(4)
    tab.add_cols(1)
    assert (tab.row_count, tab.col_count) == (10, 4)


def test_a_range_is_sorted_by_several_columns(tab: Any) -> None:
    tab.update([["b", 1], ["a", 2], ["b", 3]])

    tab.sort((1, "asc"), (2, "des"))

    assert tab.get_all_values() == [["a", "2"], ["b", "3"], ["b", "1"]]


def merges(book: Any, tab: Any) -> list[dict[str, int]]:
    """The merged ranges of a tab."""
    sheets = book.fetch_sheet_metadata({"fields": "sheets(properties.sheetId,merges)"})["sheets"]
    found: list[dict[str, int]] = next(one for one in sheets if one["properties"]["sheetId"] == tab.id).get("merges", [])
    return found


def test_notes_formats_and_merges_are_kept(tab: Any, book: Any) -> None:
    tab.update([["head"]], "A1")
    tab.insert_note("A1", "Which age? Managed by collect.")
    tab.format("A1:B1", {"textFormat": {"bold": True}, "numberFormat": {"type": "TEXT"}})
    tab.merge_cells("A1:B1")
    assert tab.get_note("A1") == "Which age? Managed by collect."
    assert merges(book, tab) == [{"sheetId": tab.id, "startRowIndex": 0, "endRowIndex": 1, "startColumnIndex": 0, "endColumnIndex": 2}]

    tab.update([["new head"]], "A1")
    tab.clear_note("A1")
    tab.unmerge_cells("A1:B1")
    assert (tab.get_note("A1"), merges(book, tab), tab.acell("A1").value) == ("", [], "new head")


def test_rows_and_columns_are_hidden_frozen_and_sized(tab: Any, book: Any) -> None:
    tab.freeze(rows=1, cols=1)
    tab.hide_rows(1, 3)
    tab.hide_columns(2, 3)
    tab.columns_auto_resize(0, 2)

    document = book.fetch_sheet_metadata(
        {"includeGridData": "true", "fields": "sheets(properties,data(rowMetadata(hiddenByUser),columnMetadata))"}
    )
    shown = next(one for one in document["sheets"] if one["properties"]["sheetId"] == tab.id)
    assert [row.get("hiddenByUser", False) for row in shown["data"][0]["rowMetadata"]] == [False, True, True, False, False, False]
    assert [column.get("hiddenByUser", False) for column in shown["data"][0]["columnMetadata"]] == [False, False, True]
    assert shown["properties"]["gridProperties"] == {"rowCount": 6, "columnCount": 3, "frozenRowCount": 1, "frozenColumnCount": 1}
    tab.unhide_rows(1, 3)
    tab.unhide_columns(2, 3)


def test_a_filter_is_set_and_cleared(tab: Any, server: RunningServer, book: Any) -> None:
    tab.update([["a"], ["b"]], "A1")

    tab.set_basic_filter("A1:C2")
    assert server.people(book.id).workbook.tabs[tab.id].basic_filter is not None
    tab.clear_basic_filter()
    assert server.people(book.id).workbook.tabs[tab.id].basic_filter is None


def test_ranges_are_protected_with_a_warning_or_for_editors(tab: Any, book: Any) -> None:
    tab.add_protected_range("A1:B1", warning_only=True, description="Managed by collect")
    tab.add_protected_range("A2:B2", ["colleague@sheets.local"])

    warned, guarded = book.list_protected_ranges(tab.id)
    assert warned["warningOnly"] and "editors" not in warned
    assert "colleague@sheets.local" in guarded["editors"]["users"]
    tab.delete_protected_range(warned["protectedRangeId"])
    assert [one["protectedRangeId"] for one in book.list_protected_ranges(tab.id)] == [guarded["protectedRangeId"]]


def test_tabs_are_renamed_moved_hidden_coloured_copied_and_deleted(client: Any) -> None:
    book = client.create("Tabs")
    first, second = book.sheet1, book.add_worksheet("Second", 2, 2, index=0)
    second.update([["kept"]])

    second.update_title("Renamed")
    second.update_tab_color("#ff0000")
    first.hide()
    first.show()
    book.reorder_worksheets([first, second])
    copy = second.duplicate(new_sheet_name="Copy")
    elsewhere = client.create("Elsewhere")
    second.copy_to(elsewhere.id)

    assert [one.title for one in book.worksheets()] == ["Copy", "Sheet1", "Renamed"]
    assert book.worksheet("Renamed").tab_color
    assert copy.get_all_values() == [["kept"]]
    assert elsewhere.worksheet("Copy of Renamed").get_all_values() == [["kept"]]
    book.del_worksheet(copy)
    with pytest.raises(gspread.exceptions.APIError, match="already exists"):
        book.add_worksheet("renamed", 1, 1)  # upper and lower case alike


def test_a_file_has_a_title_a_locale_and_a_time_zone(client: Any) -> None:
    book = client.create("Before")

    book.update_title("After")
    book.update_locale("de_DE")
    book.update_timezone("Asia/Kolkata")

    assert (client.open_by_key(book.id).title, book.locale, book.timezone) == ("After", "de_DE", "Asia/Kolkata")
    copy = client.copy(book.id, title="A copy")
    assert copy.locale == "de_DE"
    client.del_spreadsheet(copy.id)
    with pytest.raises(gspread.SpreadsheetNotFound):
        client.open_by_key(copy.id)


def test_a_file_is_shared_and_taken_back(client: Any, server: RunningServer) -> None:
    book = client.create("Shared")

    book.share(server.service_account_email, perm_type="user", role="writer")
    assert {one["role"] for one in book.list_permissions()} == {"owner", "writer"}
    book.remove_permissions(server.service_account_email)
    assert {one["role"] for one in book.list_permissions()} == {"owner"}
