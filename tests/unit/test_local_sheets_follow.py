"""Whatever people do to rows and columns: metadata stays on its row, and what is on disk is what is in memory."""

from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collect_pipelines.local.sheets.batch import apply_batch
from collect_pipelines.local.sheets.context import BatchContext
from collect_pipelines.local.sheets.errors import ApiError
from collect_pipelines.local.sheets.grid import Tab
from collect_pipelines.local.sheets.library import Library, Shelf
from collect_pipelines.local.sheets.limits import Limits, Switches
from collect_pipelines.local.sheets.values import Rendering, read_values
from collect_pipelines.local.sheets.workbook import FileRecord, Workbook

ROWS = 12

index = st.integers(0, ROWS + 2)
count = st.integers(1, 4)
dimension = st.sampled_from(["ROWS", "COLUMNS"])


def span(kind: str, start: int, length: int) -> dict[str, Any]:
    return {"sheetId": 0, "dimension": kind, "startIndex": start, "endIndex": start + length}


changes = st.one_of(
    st.builds(lambda kind, start, length: {"insertDimension": {"range": span(kind, start, length)}}, dimension, index, count),
    st.builds(lambda kind, start, length: {"deleteDimension": {"range": span(kind, start, length)}}, dimension, index, count),
    st.builds(
        lambda kind, start, length, to: {"moveDimension": {"source": span(kind, start, length), "destinationIndex": to}},
        dimension,
        index,
        count,
        index,
    ),
    st.builds(
        lambda column, order: {"sortRange": {"range": {"sheetId": 0}, "sortSpecs": [{"dimensionIndex": column, "sortOrder": order}]}},
        st.integers(0, 1),
        st.sampled_from(["ASCENDING", "DESCENDING"]),
    ),
    st.builds(
        lambda start, length: {
            "updateDimensionProperties": {
                "range": span("ROWS", start, length),
                "properties": {"hiddenByUser": True},
                "fields": "hiddenByUser",
            }
        },
        index,
        count,
    ),
    st.builds(
        lambda rows: {"updateSheetProperties": {"properties": {"gridProperties": {"rowCount": rows}}, "fields": "gridProperties.rowCount"}},
        st.integers(4, 30),
    ),
)


def apply(shelf: Shelf, *requests: dict[str, Any]) -> None:
    """One batch; what the grid refuses is refused."""
    try:
        with shelf.change() as draft:
            apply_batch(BatchContext(draft, "me", "project", Limits(), Switches(), lambda: 5), list(requests))
    except ApiError:
        return


def state(workbook: Workbook) -> Any:
    """Everything that must survive a restart."""
    tabs = {
        tab_id: (tab.row_count, tab.column_count, read_values(tab, tab.whole(), Rendering()), tab.row_properties, tab.column_properties)
        for tab_id, tab in workbook.tabs.items()
    }
    return tabs, {entry.metadata_id: entry for entry in workbook.metadata.entries.values()}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(done=st.lists(changes, min_size=1, max_size=8))
def test_metadata_stays_with_its_row_and_a_restart_changes_nothing(tmp_path: Path, done: list[dict[str, Any]]) -> None:
    library = Library(tmp_path / "spreadsheets")
    file_id = library.new_id()
    library.add(Workbook(FileRecord(file_id, "me", "", ""), "T", tabs={0: Tab(0, "T", ROWS, 6)}))
    shelf = library.find(file_id)
    assert shelf is not None
    rows = [
        {"values": [{"userEnteredValue": {"stringValue": f"row {number:02d}"}}, {"userEnteredValue": {"numberValue": -number}}]}
        for number in range(ROWS)
    ]
    anchors = [
        {
            "createDeveloperMetadata": {
                "developerMetadata": {
                    "metadataId": number + 1,
                    "metadataKey": "anchor",
                    "metadataValue": f"row {number:02d}",
                    "location": {"dimensionRange": span("ROWS", number, 1)},
                    "visibility": "DOCUMENT",
                }
            }
        }
        for number in range(ROWS)
    ]
    apply(shelf, {"appendCells": {"rows": rows, "fields": "userEnteredValue"}}, *anchors)

    for request in done:
        apply(shelf, request)

    workbook = shelf.read()
    tab = workbook.tabs[0]
    for entry in workbook.metadata.entries.values():
        assert entry.index is not None
        texts = [cell for cell in tab.row_cells(entry.index) if isinstance(cell, str)]
        assert texts in ([entry.value], [])  # empty when its column was deleted
    library.close()
    again = Library(tmp_path / "spreadsheets")
    reopened = again.find(file_id)
    assert reopened is not None
    assert state(reopened.read()) == state(workbook)
    again.remove(file_id)
    again.close()
