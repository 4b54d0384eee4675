"""The spreadsheets.values collection: plain values by A1 range and by data filter."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Literal

from collect_pipelines.local.sheets.a1 import Area
from collect_pipelines.local.sheets.access import SHEETS_READ, SHEETS_WRITE, changed_spreadsheet, spreadsheet
from collect_pipelines.local.sheets.api_spreadsheets import ranges_of_filter, reading_context
from collect_pipelines.local.sheets.call import Call, Operation
from collect_pipelines.local.sheets.context import BatchContext
from collect_pipelines.local.sheets.errors import InvalidRequest, bad_request
from collect_pipelines.local.sheets.grid import Rectangle, Tab
from collect_pipelines.local.sheets.values import Rendering, append_values, clear_values, update_values, value_range, write_at

__all__ = ["OPERATIONS"]

DIMENSIONS = ("ROWS", "COLUMNS", "DIMENSION_UNSPECIFIED")
INPUTS = ("RAW", "USER_ENTERED", "INPUT_VALUE_OPTION_UNSPECIFIED")
RENDERS = ("FORMATTED_VALUE", "UNFORMATTED_VALUE", "FORMULA")
DATES = ("SERIAL_NUMBER", "FORMATTED_STRING")
INSERTS = ("OVERWRITE", "INSERT_ROWS")


def get(call: Call) -> dict[str, Any]:
    """The values of one range."""
    workbook, rendering = spreadsheet(call), _rendering(call)
    with _refusals():
        tab, area = workbook.resolve_inside(call.arguments["range"])
    return value_range(tab, area, rendering)


def batch_get(call: Call) -> dict[str, Any]:
    """The values of several ranges; one that can't be parsed refuses the call."""
    workbook, rendering = spreadsheet(call), _rendering(call)
    with _refusals():
        found = [workbook.resolve_inside(text) for text in call.texts("ranges")]
    ranges = [value_range(tab, area, rendering) for tab, area in found]
    return {"spreadsheetId": workbook.file.file_id} | ({"valueRanges": ranges} if ranges else {})


def update(call: Call) -> dict[str, Any]:
    """Writes one range."""
    body = call.message("ValueRange", "data")
    parse = _parses(call.choice("valueInputOption", INPUTS, ""))
    rendering = _response_rendering(call)
    with changed_spreadsheet(call) as context, _refusals():
        answer = update_values(context, call.arguments["range"], body, parse)
        if call.flag("includeValuesInResponse"):
            answer["updatedData"] = _written(context, answer["updatedRange"], rendering)
    return _with_id(call, answer)


def append(call: Call) -> dict[str, Any]:
    """Writes after the last table in a range."""
    body = call.message("ValueRange", "data")
    parse = _parses(call.choice("valueInputOption", INPUTS, ""))
    insert = call.choice("insertDataOption", INSERTS, "OVERWRITE") == "INSERT_ROWS"
    rendering = _response_rendering(call)
    with changed_spreadsheet(call) as context, _refusals():
        answer = append_values(context, call.arguments["range"], body, parse, insert)
        if call.flag("includeValuesInResponse"):
            answer["updates"]["updatedData"] = _written(context, answer["updates"]["updatedRange"], rendering)
    answer["updates"] = _with_id(call, answer["updates"])
    return _with_id(call, answer)


def clear(call: Call) -> dict[str, Any]:
    """Empties one range."""
    call.message("ClearValuesRequest")
    with changed_spreadsheet(call) as context, _refusals():
        tab, area = context.workbook.resolve_inside(call.arguments["range"])
        return _with_id(call, {"clearedRange": clear_values(context, tab.tab_id, area)})


def batch_clear(call: Call) -> dict[str, Any]:
    """Empties several ranges, all or none."""
    body = call.message("BatchClearValuesRequest")
    cleared = []
    with changed_spreadsheet(call) as context, _refusals():
        for text in body.get("ranges", []):
            tab, area = context.workbook.resolve_inside(text)
            cleared.append(clear_values(context, tab.tab_id, area))
    return _with_id(call, {"clearedRanges": cleared})


def batch_update(call: Call) -> dict[str, Any]:
    """Writes several ranges, all or none; a refusal names the data at fault."""
    body = call.message("BatchUpdateValuesRequest")
    parse = _parses(body.get("valueInputOption", ""))
    answers = []
    with changed_spreadsheet(call) as context:
        for index, data in enumerate(body.get("data", [])):
            with _refusals(f"Invalid data[{index}]: "):
                answer = update_values(context, data.get("range", ""), data, parse)
            answers.append(_with_id(call, answer | _included(context, body, answer)))
    return _totals(call, answers)


def batch_get_by_data_filter(call: Call) -> dict[str, Any]:
    """The values of everything the filters match: whole rows and columns for metadata on them."""
    body = call.message("BatchGetValuesByDataFilterRequest")
    workbook = spreadsheet(call)
    context = reading_context(call, workbook)
    rendering = _rendering_of(body, "valueRenderOption", "dateTimeRenderOption", body.get("majorDimension", "ROWS"))
    matched: dict[tuple[int, Rectangle], dict[str, Any]] = {}
    for index, data_filter in enumerate(body.get("dataFilters", [])):
        with _refusals(f"Invalid dataFilters[{index}]: "):
            for tab, area in ranges_of_filter(context, data_filter):
                key = (tab.tab_id, area)
                if key not in matched:
                    matched[key] = {"valueRange": value_range(tab, area, rendering), "dataFilters": []}
                matched[key]["dataFilters"].append(data_filter)
    return _with_id(call, {"valueRanges": list(matched.values())} if matched else {})


def batch_update_by_data_filter(call: Call) -> dict[str, Any]:
    """Writes from the first cell of everything each filter matches; all or none."""
    body = call.message("BatchUpdateValuesByDataFilterRequest")
    parse = _parses(body.get("valueInputOption", ""))
    answers = []
    with changed_spreadsheet(call) as context:
        for index, data in enumerate(body.get("data", [])):
            with _refusals(f"Invalid data[{index}]: "):
                for tab, area in _targets(context, data.get("dataFilter", {})):
                    answer = write_at(context, tab.tab_id, _as_area(area), area, data, parse)
                    answers.append(answer | _included(context, body, answer) | {"dataFilter": data["dataFilter"]})
    return _totals(call, answers)


def batch_clear_by_data_filter(call: Call) -> dict[str, Any]:
    """Empties everything the filters match."""
    body = call.message("BatchClearValuesByDataFilterRequest")
    cleared = []
    with changed_spreadsheet(call) as context, _refusals():
        for data_filter in body.get("dataFilters", []):
            for tab, area in ranges_of_filter(context, data_filter):
                cleared.append(clear_values(context, tab.tab_id, area))
    return _with_id(call, {"clearedRanges": cleared})


class _refusals:
    """Turns an InvalidRequest of the block into a 400 with a prefix."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, InvalidRequest):
            raise bad_request(self._prefix + str(error)) from error


def _targets(context: BatchContext, data_filter: dict[str, Any]) -> list[tuple[Tab, Rectangle]]:
    found = ranges_of_filter(context, data_filter)
    if not found and context.switches.missing_metadata_is_error:
        raise InvalidRequest("No developer metadata matched the given data filters.")
    return found


def _as_area(rectangle: Rectangle) -> Area:
    return Area(rectangle.row_start, rectangle.row_end, rectangle.column_start, rectangle.column_end)


def _parses(option: str) -> bool:
    if option in ("", "INPUT_VALUE_OPTION_UNSPECIFIED"):
        raise bad_request("'valueInputOption' is required but not specified")
    return option == "USER_ENTERED"


def _rendering(call: Call) -> Rendering:
    render = call.choice("valueRenderOption", RENDERS, "FORMATTED_VALUE")
    dates = call.choice("dateTimeRenderOption", DATES, "SERIAL_NUMBER")
    return Rendering(render, dates, call.choice("majorDimension", DIMENSIONS, "ROWS"))


def _response_rendering(call: Call) -> Rendering:
    render = call.choice("responseValueRenderOption", RENDERS, "FORMATTED_VALUE")
    return Rendering(render, call.choice("responseDateTimeRenderOption", DATES, "SERIAL_NUMBER"))


def _rendering_of(body: dict[str, Any], render: str, dates: str, dimension: str = "ROWS") -> Rendering:
    return Rendering(body.get(render, "FORMATTED_VALUE"), body.get(dates, "SERIAL_NUMBER"), dimension)


def _included(context: BatchContext, body: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    if not body.get("includeValuesInResponse"):
        return {}
    rendering = _rendering_of(body, "responseValueRenderOption", "responseDateTimeRenderOption")
    return {"updatedData": _written(context, answer["updatedRange"], rendering)}


def _written(context: BatchContext, text: str, rendering: Rendering) -> dict[str, Any]:
    tab, area = context.workbook.resolve_inside(text)
    return value_range(tab, area, rendering)


def _with_id(call: Call, answer: dict[str, Any]) -> dict[str, Any]:
    return {"spreadsheetId": call.arguments["spreadsheet"]} | answer


def _totals(call: Call, answers: list[dict[str, Any]]) -> dict[str, Any]:
    sums: dict[str, Any] = {}
    for part in ("updatedRows", "updatedColumns", "updatedCells"):
        count = sum(answer.get(part, 0) for answer in answers)
        if count:
            sums[f"totalU{part[1:]}"] = count
    tabs = {answer["updatedRange"].rpartition("!")[0] for answer in answers if answer.get("updatedCells")}
    return _with_id(call, sums | ({"totalUpdatedSheets": len(tabs)} if tabs else {}) | {"responses": answers})


_VALUES = r"/v4/spreadsheets/(?P<spreadsheet>[^/:]+)/values"
_RANGE = _VALUES + r"/(?P<range>[^/]+?)"
_READING = frozenset({"majorDimension", "valueRenderOption", "dateTimeRenderOption"})
_WRITING = frozenset({"valueInputOption", "includeValuesInResponse", "responseValueRenderOption", "responseDateTimeRenderOption"})


def _operation(
    name: str,
    verb: str,
    pattern: str,
    kind: Literal["read", "write"],
    handler: Callable[[Call], Any],
    message: str,
    parameters: Iterable[str] = (),
) -> Operation:
    scopes = SHEETS_READ if verb == "GET" else SHEETS_WRITE
    full = f"spreadsheets.values.{name}"
    return Operation(full, verb, re.compile(pattern), kind, scopes, handler, frozenset(parameters), message)


# The longer patterns stand first: a range may hold a colon, so `values/{range}` alone would take `values/A1:append` too.
OPERATIONS = (
    _operation("batchGet", "GET", _VALUES + ":batchGet", "read", batch_get, "BatchGetValuesResponse", _READING | {"ranges"}),
    _operation("get", "GET", _RANGE, "read", get, "ValueRange", _READING),
    _operation("update", "PUT", _RANGE, "write", update, "UpdateValuesResponse", _WRITING),
    _operation("append", "POST", _RANGE + ":append", "write", append, "AppendValuesResponse", _WRITING | {"insertDataOption"}),
    _operation("clear", "POST", _RANGE + ":clear", "write", clear, "ClearValuesResponse"),
    _operation("batchUpdate", "POST", _VALUES + ":batchUpdate", "write", batch_update, "BatchUpdateValuesResponse"),
    _operation("batchClear", "POST", _VALUES + ":batchClear", "write", batch_clear, "BatchClearValuesResponse"),
    _operation(
        "batchGetByDataFilter",
        "POST",
        _VALUES + ":batchGetByDataFilter",
        "read",
        batch_get_by_data_filter,
        "BatchGetValuesByDataFilterResponse",
    ),
    _operation(
        "batchUpdateByDataFilter",
        "POST",
        _VALUES + ":batchUpdateByDataFilter",
        "write",
        batch_update_by_data_filter,
        "BatchUpdateValuesByDataFilterResponse",
    ),
    _operation(
        "batchClearByDataFilter",
        "POST",
        _VALUES + ":batchClearByDataFilter",
        "write",
        batch_clear_by_data_filter,
        "BatchClearValuesByDataFilterResponse",
    ),
)
