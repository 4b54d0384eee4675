"""A file of responses: stable ids, batches the endpoint takes, patience while it is away."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from collect_pipelines.cli.answer_files import read_documents
from collect_pipelines.cli.front_door import FrontDoor
from collect_pipelines.cli.progress import Progress
from collect_pipelines.cli.rows import Row, chunks, count_rows, read_rows
from collect_pipelines.cli.send import send_rows
from collect_pipelines.errors import Conflict, Invalid, NotFound, Unavailable
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.local.ports import free_port

FORM = FormDefinition.model_validate(
    {
        "form": "visit",
        "title": "Visit",
        "questions": [{"key": "place", "type": "text", "label": "Where?"}, {"key": "people", "type": "integer", "label": "How many?"}],
    }
)


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def ids(file: Path) -> list[str]:
    return [row.response_id for row in read_rows(file, FORM)]


def test_a_row_has_the_same_id_in_whichever_file_and_place(tmp_path: Path) -> None:
    first = write(tmp_path / "a.csv", "Where?,How many?", "Market,3", "Bridge,1")
    other = write(tmp_path / "b.csv", "Where?,How many?", "Bridge,1", "", "Market,3")

    assert sorted(ids(first)) == sorted(ids(other))


def test_equal_rows_are_different_responses(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "Where?,How many?", "Market,3", "Market,3", "Market,3")

    assert len(set(ids(file))) == 3
    assert ids(file) == ids(file)


def test_a_cell_that_does_not_fit_names_file_line_and_column(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "Where?,How many?", "Market,3", "Bridge,many")

    with pytest.raises(Invalid, match=r"a\.csv:3: .*How many\?"):
        ids(file)


@pytest.mark.parametrize("name", ["id", "_id"])
def test_a_column_of_ids_that_is_no_question_names_the_responses(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / "a.csv", f"{name},Where?,How many?", "r1,Market,3", ",Bridge,1")

    first, second = read_rows(file, FORM)

    assert first.response_id == "r1"
    assert json.loads(first.body)["answers"] == {"place": "Market", "people": 3}
    assert second.response_id not in ("", "r1")
    assert [where for where, _ in read_documents(file, FORM)] == ["r1", "line 3"]


def test_a_question_called_id_stays_a_question_and_the_form_may_name_another_column(tmp_path: Path) -> None:
    asked = FormDefinition.model_validate({"form": "f", "title": "F", "questions": [{"key": "id", "type": "text"}]})
    (row,) = read_rows(write(tmp_path / "a.csv", "id,_id", "card 7,r1"), asked)
    assert (row.response_id, json.loads(row.body)["answers"]) == ("r1", {"id": "card 7"})

    named = FORM.model_copy(update={"metadata": {"id_column": "Ref"}})
    assert [one.response_id for one in read_rows(write(tmp_path / "b.csv", "Ref,Where?", "r1,Market"), named)] == ["r1"]
    assert [one.response_id for one in read_rows(write(tmp_path / "c.csv", "_id,Where?", "r1,Market"), named)] == ["r1"]
    with pytest.raises(Invalid, match="no question for the column 'id'"):
        list(read_rows(write(tmp_path / "d.csv", "id,Ref,Where?", "1,r1,Market"), named))


def test_a_downloaded_sheet_is_read_back_without_its_system_columns(tmp_path: Path) -> None:
    header = "Submitted (UTC),Where?,How many?,_id,_revision"
    (row,) = read_rows(write(tmp_path / "a.csv", header, "2030-01-01 00:00:01,Market,3,r1,2"), FORM)
    assert (row.response_id, json.loads(row.body)["answers"]) == ("r1", {"place": "Market", "people": 3})

    with pytest.raises(Invalid, match=r"b\.csv:3: The response of this row was deleted"):
        list(
            read_rows(write(tmp_path / "b.csv", header, "2030-01-01 00:00:01,Market,3,r1,2", "2030-01-01 00:00:01,,,r2,2 (deleted)"), FORM)
        )
    with pytest.raises(Invalid, match="no question for the column '_revision'"):
        list(read_rows(write(tmp_path / "c.csv", "Where?,_revision", "Market,2"), FORM))


def test_a_column_without_a_question_is_a_fault_of_the_header(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "Where?,Extra", "Market,", "Bridge,1")
    with pytest.raises(Invalid, match=r"a\.csv:1: The form has no question for the column 'Extra'"):
        ids(file)

    below = write(tmp_path / "b.csv", "Survey of places", "", "Where?,How many?,Extra", "Market,3,x", "Bridge,1,y")
    with pytest.raises(Invalid, match=r"b\.csv:3: The form has no question for the column 'Extra'"):
        ids(below)


def test_a_row_longer_than_the_header_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "Where?,How many?", "Market,3,4")

    with pytest.raises(Invalid, match="3 cells, but the header has 2"):
        ids(file)


def test_rows_are_counted_as_they_are_sent(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "Where?,How many?", '"Two\nlines",3', "", "Market,")

    assert count_rows(file) == len(ids(file)) == 2


def test_batches_stay_below_both_limits() -> None:
    rows = [Row(line, str(line), b"x" * 1_500_000) for line in range(5)]

    assert [len(group) for group in chunks(iter(rows))] == [2, 2, 1]
    assert [len(group) for group in chunks(iter(rows), most=1)] == [1, 1, 1, 1, 1]


class Endpoint:
    """Answers what the test wants, request by request; stores ids like the real one."""

    def __init__(self) -> None:
        self.stored: dict[str, Any] = {}
        self.answers: list[tuple[int, dict[str, Any], dict[str, str]]] = []
        self.batches: list[int] = []

    def post(self, lines: list[dict[str, Any]]) -> tuple[int, dict[str, Any], dict[str, str]]:
        if self.answers:
            return self.answers.pop(0)
        self.batches.append(len(lines))
        results = []
        for index, line in enumerate(lines):
            known = line["id"] in self.stored
            self.stored[line["id"]] = line["answers"]
            results.append({"index": index, "id": line["id"], "status": 201} | ({"replayed": True} if known else {}))
        return 201, {"results": results}, {}


@contextmanager
def serving(endpoint: Endpoint) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(200, {"form": "visit", "definition": FORM.model_dump(mode="json", exclude_defaults=True)}, {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self._answer(*endpoint.post([json.loads(line) for line in body.splitlines()]))

        def _answer(self, status: int, document: dict[str, Any], headers: dict[str, str]) -> None:
            text = json.dumps(document).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def send(url: str, file: Path, rate: float | None = None) -> tuple[dict[str, Any], list[float]]:
    slept: list[float] = []
    door = FrontDoor(url, "key", sleep=slept.append)
    try:
        return send_rows(door, "visit", file, rate, Progress("Sending", 3), slept.append), slept
    finally:
        door.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write(tmp_path / "a.csv", "Where?,How many?", "Market,3", "Bridge,1", "Market,3")


def test_a_file_sent_twice_is_stored_once_and_says_so(file: Path) -> None:
    endpoint = Endpoint()
    with serving(endpoint) as url:
        first, _ = send(url, file)
        again, _ = send(url, file)

    assert (first["accepted"], first["replayed"]) == (3, 0)
    assert (again["accepted"], again["replayed"]) == (0, 3)
    assert len(endpoint.stored) == 3


def test_a_busy_endpoint_is_given_the_time_it_asks_for(file: Path) -> None:
    endpoint = Endpoint()
    endpoint.answers = [(503, {"title": "The service can't store responses now"}, {"Retry-After": "2"}), (429, {}, {"Retry-After": "1"})]
    with serving(endpoint) as url:
        result, slept = send(url, file)

    assert result["accepted"] == 3
    assert slept == [2.0, 1.0]


def test_a_rate_is_kept(file: Path) -> None:
    endpoint = Endpoint()
    with serving(endpoint) as url:
        _, slept = send(url, file, rate=1.0)

    assert endpoint.batches == [1, 1, 1]
    assert len(slept) == 2 and 0.5 < slept[0] <= 1.0 and 1.5 < slept[1] <= 2.0


def test_a_refused_row_is_told_with_its_line_and_the_others_are_stored(file: Path) -> None:
    problem = {
        "code": "answers-rejected",
        "detail": "Not valid.",
        "errors": [{"question": "people", "label": "How many?", "message": "Too many."}],
    }
    results = [{"index": 0, "status": 201}, {"index": 1, "status": 422, "problem": problem}, {"index": 2, "status": 201, "replayed": True}]
    endpoint = Endpoint()
    endpoint.answers = [(207, {"results": results}, {})]
    with serving(endpoint) as url:
        result, _ = send(url, file)

    assert (result["accepted"], result["replayed"], result["rejected"]) == (1, 1, 1)
    assert result["problems"][0]["line"] == 3
    assert result["problems"][0]["errors"][0]["message"] == "Too many."


@pytest.mark.parametrize(("status", "kind"), [(401, Unavailable), (404, NotFound), (409, Conflict), (413, Invalid)])
def test_a_refused_request_is_told_in_the_words_of_the_endpoint(file: Path, status: int, kind: type[Exception]) -> None:
    endpoint = Endpoint()
    endpoint.answers = [(status, {"detail": "In words.", "next_step": "Do this."}, {})]
    with serving(endpoint) as url, pytest.raises(kind, match=r"In words\.") as caught:
        send(url, file)

    assert caught.value.fix == "Do this."  # type: ignore[attr-defined]


def test_an_endpoint_that_stays_away_is_named_with_what_to_start() -> None:
    moments = iter(range(0, 1000, 20))
    door = FrontDoor(f"http://127.0.0.1:{free_port()}", "key", sleep=lambda _: None, clock=lambda: float(next(moments)))

    with pytest.raises(Unavailable, match="does not answer") as caught:
        door.get("/v1/forms/visit")
    assert "collect up" in str(caught.value.fix)


def test_what_is_no_url_is_refused_at_once() -> None:
    with pytest.raises(Invalid, match="not an http"):
        FrontDoor("ftp://example.org", "key")
