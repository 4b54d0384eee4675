"""Big batches land quickly and rows take little memory."""

from pathlib import Path

import orjson
import psutil

from collect_pipelines.local.sheets.testing import server_process
from tests.contract.local_sheets_tools import Api, append

ROWS, COLUMNS, BATCHES = 2000, 30, 8
# Processor seconds of the server for a batch, since other programs share the machine. Measured: 0.1.
MOST_SECONDS = 0.4
# Measured: 45 MB at the start and 1 kB a row after that. Rows in an orjson buffer of their own took 8 kB each: 175 MB here.
LARGEST_MEGABYTES = 150


def test_2000_rows_of_30_columns_land_well_under_a_second_and_16_000_stay_small(tmp_path: Path) -> None:
    with server_process(tmp_path / "data") as server, Api(server.base_url, server.person_credentials) as api:
        sheet = api.create(sheets=[{"properties": {"sheetId": 0, "title": "T", "gridProperties": {"rowCount": 2, "columnCount": COLUMNS}}}])
        body = orjson.dumps({"requests": [append(*[[f"answer {column}" for column in range(COLUMNS)]] * ROWS)]})

        process = psutil.Process(server.process.pid)
        before = process.cpu_times()
        answers = [api.call("POST", f"/v4/spreadsheets/{sheet}:batchUpdate", body) for _ in range(BATCHES)]
        after, megabytes = process.cpu_times(), process.memory_info().rss / 1e6

        assert {answer.status_code for answer in answers} == {200}
        assert (after.user + after.system - before.user - before.system) / BATCHES < MOST_SECONDS
        assert megabytes < LARGEST_MEGABYTES
        assert len(api.values(sheet, "T!A:A")) == ROWS * BATCHES
