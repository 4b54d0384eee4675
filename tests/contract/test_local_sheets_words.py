"""The local Sheets server speaks in Google's words: envelopes, what it refuses to parse, and where it says the fault is."""

from typing import Any

import pytest

from collect_pipelines.local.sheets.testing import RunningServer, Switches
from tests.contract.local_sheets_tools import Api, append, error


def test_a_sheets_refusal_has_code_message_and_status_and_no_list_of_errors(api: Api) -> None:
    answer = api.call("GET", "/v4/spreadsheets/nowhere")

    assert answer.status_code == 404
    assert answer.json() == {"error": {"code": 404, "message": "Requested entity was not found.", "status": "NOT_FOUND"}}
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"


def test_a_drive_refusal_has_a_list_of_errors_and_no_status(api: Api) -> None:
    answer = api.call("GET", "/drive/v3/files/nowhere")

    item = {
        "message": "File not found: nowhere.",
        "domain": "global",
        "reason": "notFound",
        "location": "fileId",
        "locationType": "parameter",
    }
    assert answer.json() == {"error": {"errors": [item], "code": 404, "message": "File not found: nowhere."}}


def test_an_unknown_field_is_named_with_its_place(api: Api, sheet: str) -> None:
    answer = api.call("PUT", f"/v4/spreadsheets/{sheet}/values/A1", {"x": 1}, valueInputOption="RAW")

    text = "Invalid JSON payload received. Unknown name \"x\" at 'data': Cannot find field."
    assert error(answer) == (400, text)
    details = answer.json()["error"]["details"]
    assert details == [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "data", "description": text}]}]


def test_a_wrong_type_is_named_with_the_type_google_expects(api: Api, sheet: str) -> None:
    answer = api.call("PUT", f"/v4/spreadsheets/{sheet}/values/A1", {"values": "X"}, valueInputOption="RAW")

    assert error(answer) == (400, "Invalid value at 'data.values' (type.googleapis.com/google.protobuf.ListValue), \"X\"")


def test_every_fault_of_a_body_is_named_at_once(api: Api, sheet: str) -> None:
    wrong = {"appendCells": {"sheetId": "first", "rows": [{"values": [{"userEnteredValue": {"text": "x"}}]}], "fields": "*"}}

    code, text = error(api.batch(sheet, wrong))

    assert code == 400
    assert "Invalid value at 'requests[0].append_cells.sheet_id' (TYPE_INT32), \"first\"" in text
    assert "Unknown name \"text\" at 'requests[0].append_cells.rows[0].values[0].user_entered_value': Cannot find field." in text


@pytest.mark.parametrize("body", [b'{"values": [[NaN]]}', b'{"values": [[1,]]}', b"{", b"values", b'{"values": [[Infinity]]}'])
def test_what_is_not_json_is_refused_nan_included(api: Api, sheet: str, body: bytes) -> None:
    code, text = error(api.call("PUT", f"/v4/spreadsheets/{sheet}/values/A1", body, valueInputOption="RAW"))

    assert code == 400
    assert text.startswith("Invalid JSON payload received.")


def test_a_query_parameter_google_does_not_have_is_refused(api: Api, sheet: str) -> None:
    answer = api.call("GET", f"/v4/spreadsheets/{sheet}/values/A1", render="FORMULA")

    start = 'Invalid JSON payload received. Unknown name "render": '
    assert error(answer) == (400, start + "Cannot bind query parameter. Field 'render' could not be found in request message.")


def test_values_are_not_written_without_saying_how_to_read_them(api: Api, sheet: str) -> None:
    assert error(api.put(sheet, "A1", [["x"]], option=None)) == (400, "'valueInputOption' is required but not specified")


def test_an_unknown_option_is_refused_with_its_type(api: Api, sheet: str) -> None:
    answer = api.put(sheet, "A1", [["x"]], option="PLAIN")

    assert error(answer) == (
        400,
        "Invalid value at 'value_input_option' (type.googleapis.com/google.apps.sheets.v4.ValueInputOption), \"PLAIN\"",
    )


@pytest.mark.parametrize("place", ["NoSuchTab!A1", "NoSuchTab", "Sheet1!A0", "Sheet1!1A", "Sheet1!A1:B2:C3", "'Sheet1!A1"])
def test_a_range_that_means_nothing_can_not_be_parsed(api: Api, sheet: str, place: str) -> None:
    answer = api.call("GET", f"/v4/spreadsheets/{sheet}/values/{place}")

    assert error(answer) == (400, f"Unable to parse range: {place}")


def test_a_values_batch_names_the_data_at_fault(api: Api, sheet: str) -> None:
    data = [{"range": "Sheet1!A1", "values": [["x"]]}, {"range": "NoSuchTab!A1", "values": [["y"]]}]

    answer = api.call("POST", f"/v4/spreadsheets/{sheet}/values:batchUpdate", {"valueInputOption": "RAW", "data": data})

    assert error(answer) == (400, "Invalid data[1]: Unable to parse range: NoSuchTab!A1")


def test_a_batch_names_the_request_at_fault(api: Api, sheet: str) -> None:
    answer = api.batch(sheet, append(["x"]), append(["y"]), {"updateCells": {"start": {"sheetId": 999999}, "rows": [], "fields": "*"}})

    assert error(answer) == (400, "Invalid requests[2].updateCells: No grid with id: 999999")


@pytest.mark.parametrize(
    ("requests", "text"),
    [
        ([], "Must specify at least one request."),
        ([{}], "Invalid requests[0]: No request set."),
        (
            [append(["x"]) | {"deleteSheet": {"sheetId": 1}}],
            "Invalid value at 'requests[0]' (oneof), oneof field 'kind' is already set. Cannot set 'deleteSheet'",
        ),
        (
            [{"appendCells": {"rows": []}}],
            "Invalid requests[0].appendCells: At least one field must be listed in 'fields'. (Use '*' to indicate all fields.)",
        ),
    ],
)
def test_an_empty_or_ambiguous_batch_is_refused(api: Api, sheet: str, requests: list[dict[str, Any]], text: str) -> None:
    assert error(api.batch(sheet, *requests)) == (400, text)


def test_more_than_100_000_requests_in_a_batch_are_refused(api: Api, sheet: str) -> None:
    answer = api.batch(sheet, *[{"clearBasicFilter": {}}] * 100_001)

    assert error(answer) == (400, "Cannot exceed 100000 requests in a single batch.")


def test_a_request_google_has_and_we_do_not_is_told_apart_from_a_wrong_one(api: Api, sheet: str) -> None:
    code, text = error(api.batch(sheet, {"addChart": {"chart": {}}}))

    assert code == 501
    assert "addChart" in text


def test_a_field_we_do_not_act_upon_is_refused_and_not_left_out(api: Api, sheet: str) -> None:
    code, text = error(api.batch(sheet, {"appendCells": {"tableId": "t1", "rows": [], "fields": "*"}}))

    assert code == 501
    assert "appendCells.tableId" in text


def test_a_field_mask_cuts_the_answer_down(api: Api, sheet: str) -> None:
    answer = api.call("GET", f"/v4/spreadsheets/{sheet}", fields="sheets.properties(sheetId,gridProperties/rowCount)")

    assert answer.json() == {"sheets": [{"properties": {"sheetId": 0, "gridProperties": {"rowCount": 1000}}}]}


def test_a_field_mask_that_names_nothing_of_the_answer_is_refused(api: Api, sheet: str) -> None:
    answer = api.call("GET", f"/v4/spreadsheets/{sheet}", fields="sheets.colour")

    assert answer.status_code == 400
    assert "sheets.colour" in str(answer.json()["error"]["details"])


def test_answers_carry_a_field_clients_do_not_know_unless_it_is_switched_off(api: Api, server: RunningServer, sheet: str) -> None:
    assert "commentUpdateState" in api.batch(sheet, append(["x"])).json()

    server.switches.extra_fields = False
    try:
        assert set(api.batch(sheet, append(["x"])).json()) == {"spreadsheetId", "replies"}
    finally:
        server.switches.extra_fields = Switches().extra_fields


def test_the_changed_spreadsheet_comes_with_the_answer_when_asked_for(api: Api, sheet: str) -> None:
    answer = api.batch(sheet, append(["x"]), includeSpreadsheetInResponse=True, responseRanges=["Sheet1!A1"], responseIncludeGridData=True)

    updated = answer.json()["updatedSpreadsheet"]
    assert updated["sheets"][0]["data"][0]["rowData"][0]["values"][0]["formattedValue"] == "x"
