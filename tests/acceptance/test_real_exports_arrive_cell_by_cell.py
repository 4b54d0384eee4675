"""Real survey exports travel from CSV through HTTP, Postgres, Dagster and both destinations; every cell is compared."""

import json
import threading
from typing import Any

import psutil
import pytest

from tests.acceptance.stack import EXPORTS, Stack, eventually, export_rows

ID_HEADER = "_id"


@pytest.fixture(scope="module")
def key(stack: Stack) -> str:
    created: dict[str, Any] = stack.collect_json("keys", "create", "acceptance", "--scope", "ingest", "--scope", "read")
    return str(created["key"])


def connect(stack: Stack, form: str, export: str) -> None:
    """Infers the form from the export, publishes it, and connects both destinations."""
    definition = stack.folder / f"{form}.yaml"
    stack.collect("forms", "infer", str(EXPORTS / export), "--form", form, "--output", str(definition))
    stack.collect("forms", "publish", str(definition))
    stack.collect("integrations", "add", "google_sheets", "--form", form, "--name", f"{form}-sheet")
    stack.collect("integrations", "add", "warehouse", "--form", form, "--name", f"{form}-warehouse")


def send(stack: Stack, form: str, export: str, key: str, *options: str) -> dict[str, Any]:
    """Sends every row; what became of them."""
    result: dict[str, Any] = stack.collect_json("send", str(EXPORTS / export), "--form", form, "--key", key, *options)
    return result


def in_export(rows: list[list[str]]) -> dict[str, list[str]]:
    """Cells of the export by response id."""
    return {row[0]: row[1:] for row in rows}


def in_sheet(stack: Stack, form: str, header: list[str]) -> dict[str, list[str]]:
    """Cells of the sheet by response id, in the order of the export's columns, which are found by their headings."""
    head, *rows = stack.sheet_rows(f"{form}-sheet")
    places = [head.index(question) for question in header[1:]]
    identity = head.index(ID_HEADER)
    padded = [row + [""] * (len(head) - len(row)) for row in rows]
    assert len(padded) == len({row[identity] for row in padded}), "a response stands in two rows"
    return {row[identity]: [row[place] for place in places] for row in padded}


def in_warehouse(stack: Stack, form: str) -> dict[str, list[str]]:
    """Cells of the DuckDB table by response id; codes are turned into labels by the table of questions beside it."""
    columns = stack.warehouse_rows(f"SELECT column_name, choices FROM forms._questions WHERE table_name = '{form}' ORDER BY ordinal")
    labels = [{code: label["en"] for code, label in json.loads(choices or "{}").items()} for _, choices in columns]
    rows = stack.warehouse_rows(f"SELECT _response_id, {', '.join(name for name, _ in columns)} FROM forms.{form}")
    assert len(rows) == len({row[0] for row in rows}), "a response stands in two rows"
    return {
        row[0]: ["" if cell is None else known.get(str(cell), str(cell)) for cell, known in zip(row[1:], labels, strict=True)]
        for row in rows
    }


def everywhere(stack: Stack, form: str, export: str) -> None:
    """Every cell of the export is in the sheet and in the warehouse, and nothing else is."""
    header, rows = export_rows(export)
    wanted = in_export(rows)

    assert in_sheet(stack, form, header) == wanted
    eventually(lambda: len(in_warehouse(stack, form)) == len(wanted), 60)
    assert in_warehouse(stack, form) == wanted


def test_every_cell_of_the_flying_survey_arrives_and_sending_it_again_changes_nothing(stack: Stack, key: str) -> None:
    export = "flying-etiquette.csv"
    connect(stack, "flying", export)

    sent = send(stack, "flying", export, key)
    assert (sent["accepted"], sent["replayed"], sent["rejected"]) == (1040, 0, 0)
    ledger = stack.wait_until_complete("flying", 1040)
    assert {kind: row["delivered"] for kind, row in ledger.items()} == {"google_sheets": 1040, "warehouse": 1040}
    everywhere(stack, "flying", export)

    again = send(stack, "flying", export, key)
    assert (again["accepted"], again["replayed"], again["rejected"]) == (0, 1040, 0)
    stack.wait_until_complete("flying", 1040)
    everywhere(stack, "flying", export)


def test_a_drain_run_killed_in_the_middle_loses_no_row_and_writes_none_twice(stack: Stack, key: str) -> None:
    export = "comma-survey.csv"
    connect(stack, "comma", export)
    sender = threading.Thread(target=send, args=(stack, "comma", export, key, "--rate", "120"))
    sender.start()
    killed: set[int] = set()

    for least in (150, 500):
        eventually(lambda least=least: delivered(stack) >= least, 120, stack.told)  # type: ignore[misc]
        for run in stack.drain_runs():
            killed.add(run.pid)
            run.kill()
    sender.join()

    ledger = stack.wait_until_complete("comma", 1129, seconds=180)
    assert len(killed) >= 2
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in killed)
    assert {kind: row["delivered"] for kind, row in ledger.items()} == {"google_sheets": 1129, "warehouse": 1129}
    everywhere(stack, "comma", export)

    again = send(stack, "comma", export, key)
    assert (again["accepted"], again["replayed"], again["rejected"]) == (0, 1129, 0)
    stack.wait_until_complete("comma", 1129)
    everywhere(stack, "comma", export)


def delivered(stack: Stack) -> int:
    """How far the slower destination has come."""
    return min((accepted - waiting for accepted, waiting in stack.entries("comma")), default=0)


def test_the_story_of_a_response_names_every_batch_it_travelled_in(stack: Stack) -> None:
    _header, rows = export_rows("flying-etiquette.csv")

    told = stack.collect_json("trace", rows[0][0])

    text = json.dumps(told)
    assert "flying-sheet" in text
    assert "flying-warehouse" in text
    assert "landed" in text
