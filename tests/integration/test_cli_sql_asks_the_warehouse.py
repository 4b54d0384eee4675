"""`collect sql` answers from the read copy, as a table, CSV or JSON, and can change nothing."""

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from collect_pipelines.cli.root import collect
from tests.contract.warehouse_fakes import batch, entry, warehouse

ROWS = "SELECT _response_id, q_name, q_age, _received_at FROM forms.household ORDER BY 1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    warehouse(folder / "warehouse.duckdb").deliver(batch(entry("r1", 1, "राजेश", 31), entry("r2", 2, 'a,"b"\n=1+1', None)))
    return folder


def asked(folder: Path, *words: str, given: str = "") -> Result:
    return CliRunner().invoke(collect, ["--data-dir", str(folder), "sql", *words], input=given, env={"COLLECT_WAREHOUSE_PATH": ""})


def test_a_query_prints_a_table(folder: Path) -> None:
    told = asked(folder, ROWS)

    assert told.exit_code == 0
    heading, first, _ = told.stdout.splitlines()
    assert heading.split("\t") == ["_response_id", "q_name", "q_age", "_received_at"]
    assert first.split("\t") == ["r1", "राजेश", "31", "2030-01-01 00:00:01"]


def test_csv_and_json_hold_the_values_exactly(folder: Path) -> None:
    rows = list(csv.reader(io.StringIO(asked(folder, ROWS, "--csv").stdout)))
    documents = json.loads(asked(folder, "-", "--json", given=ROWS).stdout)

    assert rows[2][:3] == ["r2", 'a,"b"\n=1+1', ""]
    assert documents[1] == {"_response_id": "r2", "q_name": 'a,"b"\n=1+1', "q_age": None, "_received_at": "2030-01-01T00:00:02+00:00"}
    assert json.loads(asked(folder, "SELECT 1 WHERE false", "--json").stdout) == []


def test_without_a_query_the_tables_are_listed_with_the_labels_of_their_questions(folder: Path) -> None:
    told = asked(folder)

    assert told.stdout.splitlines()[1].split("\t") == ["forms.household", "2", "11", "Name, Age"]
    assert "_dlt" not in told.stdout


def test_a_person_asks_at_a_prompt_until_leaving(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from collect_pipelines.cli import sql
    from collect_pipelines.destinations.warehouse.database import open_readonly

    lines = iter(["\\d", "\\d household", "SELECT count(*) AS people", "FROM forms.household;", "SELECT nothing;", "\\help", "\\q"])
    monkeypatch.setattr("builtins.input", lambda _prompt: next(lines))
    with open_readonly(folder / "warehouse.duckdb") as connection:
        sql._ask(connection)
    shown = capsys.readouterr()

    assert "forms.household\tq_name\tVARCHAR\tName" in shown.out
    assert "people\n2\n" in shown.out
    assert '"nothing" was not found' in shown.err
    assert next(lines, None) is None


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("DELETE FROM forms.household", "read-only"),
        ("COPY forms.household TO 'stolen.csv'", "disabled by configuration"),
        ("SELECT * FROM read_csv('/etc/hostname')", "disabled by configuration"),
        ("ATTACH 'other.duckdb'", "disabled by configuration"),
        ("SET enable_external_access = true", "Cannot"),
        ("SELECT * FROM 'https://example.com/x.parquet'", ""),
        ("INSTALL spatial", "disabled by configuration"),
        ("SELECT nothing", "nothing"),
    ],
)
def test_what_would_write_read_elsewhere_or_fetch_is_refused(folder: Path, query: str, told: str) -> None:
    answer = asked(folder, query)
    text = str(answer.exception) + answer.stderr

    assert answer.exit_code == 3
    assert told in text
    assert len(json.loads(asked(folder, ROWS, "--json").stdout)) == 2


def test_before_the_first_load_the_way_to_rows_is_told(tmp_path: Path) -> None:
    answer = asked(tmp_path, "SELECT 1")

    assert answer.exit_code == 4
    assert "Wait for the first delivery" in answer.stderr
