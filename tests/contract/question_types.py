"""docs/question-types.md: every question type through ingest, the log, polars, Great Expectations, a sheet and DuckDB."""

import json
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import duckdb

from collect_pipelines.destinations.google_sheets import GoogleSheets
from collect_pipelines.destinations.warehouse import Warehouse
from collect_pipelines.forms.answers import check_answers
from collect_pipelines.forms.columns import layout
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.local.sheets.testing import RunningServer, running_server
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import publish_form
from collect_pipelines.store.integrations import add_integration
from collect_pipelines.store.log import read_entries
from collect_pipelines.store.validation import list_quarantined
from collect_pipelines.sync.deliver import Courier
from collect_pipelines.sync.rendering import typed_frame
from collect_pipelines.sync.validate import validate_pending
from collect_pipelines.validation.gate import shared_gate
from tests.contract.google_sheets_fakes import generous
from tests.integration.sync_tools import accept, submission

__all__ = ["QUESTIONS", "Line", "lines", "page"]

CHOICES = [{"code": "r", "label": "Rice"}, {"code": "m", "label": "Maize"}]
INSIDE = [{"key": "who", "type": "text", "label": "Who"}, {"key": "years", "type": "integer", "label": "Years", "min": 0}]

# type -> (more of the question, a value, bad input)
QUESTIONS: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "text": ({}, "=1+1", 7),
    "email": ({}, "asha@example.org", "asha at example.org"),
    "url": ({}, "https://example.org/?a=1", "javascript:alert(1)"),
    "phone": ({}, "+91 98450 12345", "call me"),
    "integer": ({}, 42, 4.5),
    "decimal": ({}, 2.5, "2.5"),
    "boolean": ({}, True, "yes"),
    "select_one": ({"choices": CHOICES}, "r", "wheat"),
    "select_multiple": ({"choices": CHOICES}, ["r", "m"], ["r", "r"]),
    "rating": ({}, 4, 6),
    "date": ({}, "2024-02-29", "2023-02-29"),
    "time": ({}, "07:30", "25:00"),
    "datetime": ({}, "2024-02-29T07:30:00+05:30", "2024-02-29 07:30"),
    "geopoint": ({}, {"latitude": 12.97, "longitude": 77.59}, {"latitude": 123.0, "longitude": 0}),
    "file": ({}, {"name": "a.jpg", "url": "https://example.org/a.jpg"}, "a.jpg"),
    "hidden": ({}, "0042", ["0042"]),
    "repeat": ({"questions": INSIDE}, [{"who": "Asha", "years": 3}], [{"who": "Asha", "years": -1}]),
    "note": ({}, None, "read"),
    "group": ({"questions": [{"key": "in_a_group", "type": "text", "label": "In a group"}]}, None, {"in_a_group": "x"}),
}
UNANSWERABLE = ("note", "group")

HEAD = """# Every question type, from the door to the cell

Written by `make docs` from what happens: each answer goes through the checks of ingest, is put into a Postgres log, read as polars types,
judged by Great Expectations, and delivered to a sheet of the local Sheets server and to DuckDB. A test proves that this page is true.

The bad input would be sent back by ingest; here it was put into the log past the door, to show that validation holds it back as well.
The log keeps the text of an answer: there a number in a text question, digits in quotes in a decimal one and a list in a hidden one are
what they read as, so only the door can refuse them. How values are rendered, and why: [rendering](rendering.md).

"""
COLUMNS = ("type", "case", "answer (JSON)", "ingest", "polars", "Great Expectations", "sheet cell", "DuckDB")


@dataclass(frozen=True)
class Line:
    """One answer and what becomes of it at each station; values as their JSON."""

    type: str
    case: str
    answer: str
    ingest: str
    polars: str
    gate: str
    sheet: str
    duckdb: str


def definition() -> FormDefinition:
    """One question of every type."""
    questions = [{"key": f"a_{name}", "type": name, "label": f"A {name}", **more} for name, (more, _, _) in QUESTIONS.items()]
    return FormDefinition.model_validate({"form": "types", "title": "Every question type", "questions": questions})


def lines(database: Database, folder: Path) -> list[Line]:
    """The table's content, made by sending the answers through everything."""
    form = definition()
    given = {"value": {f"a_{name}": value for name, (_, value, _) in QUESTIONS.items() if value is not None}, "null": {}}
    given |= {f"bad {name}": {f"a_{name}": bad} for name, (_, _, bad) in QUESTIONS.items()}
    with running_server(folder / "sheets", limits=generous()) as server:
        form_id = _deliver(database, folder, server, form, given)
        (file,) = [shelf.header.file.file_id for shelf in server.library.all()]
        header, *rows = server.values(file, "Every question type")
    cells = {row[header.index("_id")]: dict(zip(header, row, strict=True)) for row in rows}
    stations = _Stations(form, _typed(database, form_id, form), _reasons(database, form_id), cells, _stored(folder / "warehouse.duckdb"))
    return [stations.line(name, case, given) for name in QUESTIONS for case in ("value", "null", "bad") if _asked(name, case)]


def page(database: Database, folder: Path) -> str:
    """The whole page."""
    rows = [list(astuple(line)) for line in lines(database, folder)]
    table = [list(COLUMNS), ["---"] * len(COLUMNS), *rows]
    return HEAD + "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in table)


def _asked(name: str, case: str) -> bool:
    return name not in UNANSWERABLE or case == "bad"


@dataclass(frozen=True)
class _Stations:
    form: FormDefinition
    typed: dict[str, dict[str, Any]]
    reasons: dict[str, list[str]]
    cells: dict[str, dict[str, Any]]
    stored: dict[str, dict[str, Any]]

    def line(self, name: str, case: str, given: dict[str, dict[str, Any]]) -> Line:
        response = f"bad {name}" if case == "bad" else case
        key = f"a_{name}"
        answer = given[response].get(key)
        codes = [finding.code for finding in check_answers(self.form, {key: answer})]
        held = self.reasons.get(response, [])
        if name in UNANSWERABLE:
            return Line(name, case, _json(answer), ", ".join(codes), "no column", "no column", "no column", "no column")
        return Line(
            name,
            case,
            _json(answer),
            ", ".join(codes) or "accepted",
            _json(self.typed[response][key]),
            f"held: {', '.join(held)}" if held else "passed",
            "not delivered" if held else _json(self.cells[response].get(f"A {name}", "") or None),
            "not delivered" if held else _json(self.stored[response][key]),
        )


def _deliver(database: Database, folder: Path, server: RunningServer, form: FormDefinition, given: dict[str, dict[str, Any]]) -> int:
    with database.begin() as connection:
        form_id = publish_form(connection, "default", form).form_id
        integrations = [add_integration(connection, form_id, kind, kind, {}) for kind in ("google_sheets", "warehouse")]
    accept(database, [submission(form_id, response, answers) for response, answers in given.items()])
    validated = validate_pending(database, shared_gate(), form_id, "worker")
    assert validated is not None and validated.outcome == "validated", validated
    addresses = {"sheets_base_url": server.base_url, "drive_base_url": server.base_url, "oauth_token_url": server.token_url}
    settings = Settings(data_dir=folder, **addresses)
    kinds = {"google_sheets": GoogleSheets, "warehouse": Warehouse}
    courier = Courier(database, settings, "worker", finder=lambda kind: kinds[kind])
    for integration in integrations:
        report = courier.deliver(integration.integration_id)
        assert report is not None and report.outcome == "delivered", report
    courier.close()
    return form_id


def _typed(database: Database, form_id: int, form: FormDefinition) -> dict[str, dict[str, Any]]:
    columns = layout([form])
    with database.begin() as connection:
        csv = read_entries(connection, form_id, 0, 1_000, [column.key for column in columns])
    frame = typed_frame(csv, columns)
    keys = {column.name: column.key for column in columns}
    return {row["_response_id"]: {keys[name]: row[name] for name in keys} for row in frame.iter_rows(named=True)}


def _reasons(database: Database, form_id: int) -> dict[str, list[str]]:
    with database.begin() as connection:
        held = list_quarantined(connection, form_id)
    return {entry.response_id: [str(reason["code"]) for reason in entry.reasons] for entry in held}


def _stored(path: Path) -> dict[str, dict[str, Any]]:
    names = {column.name: column.key for column in layout([definition()])}
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute("set timezone = 'UTC'")  # else moments are shown in the zone of the machine
        ((schema, table),) = connection.execute(
            "select schema_name, table_name from duckdb_tables() where table_name = 'types' and not schema_name like '%staging%'"
        ).fetchall()
        found = connection.execute(f'select _response_id, {", ".join(names)} from "{schema}"."{table}"').fetchall()
    return {row[0]: dict(zip(names.values(), row[1:], strict=True)) for row in found}


def _json(value: Any) -> str:
    return f"`{json.dumps(value, ensure_ascii=False, default=str)}`"
