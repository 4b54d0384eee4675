"""Over real HTTP: bad input is a 4xx that names the place, never a 5xx, and nothing of it is stored."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from collect_pipelines.ingest.problems import PROBLEMS
from collect_pipelines.local.postgres import EmbeddedPostgres
from tests.drawn import drawn
from tests.integration.ingest_server import IngestProcess, client_of, cloned, exchange, ingest, make_key, publish, response

PATH = "/v1/forms/household/responses"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(
    postgres: EmbeddedPostgres, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[IngestProcess, str]]:
    with cloned(postgres, template_database) as url:
        publish(url)
        with ingest(url, tmp_path_factory.mktemp("ingest")) as running:
            yield running, make_key(url, "ingest", "read", "admin")


@pytest.fixture(scope="module")
def client(server: tuple[IngestProcess, str]) -> Iterator[httpx.Client]:
    with client_of(*server) as opened:
        yield opened


def body(answers: str = '{"head": "Asha"}', more: str = "") -> bytes:
    return f'{{"id": "x", "answers": {answers}{more}}}'.encode()


BODIES: dict[str, tuple[bytes, int, str, str]] = {
    "empty": (b"", 400, "json-empty", ""),
    "not JSON": (b'{"id": "x", answers}', 400, "json-syntax", "#"),
    "two documents": (body() + body(), 400, "json-syntax", "#"),
    "not UTF-8": (body('{"head": "\u00e9"}').decode().encode("latin-1"), 400, "utf8", "#"),
    "NUL": (body('{"head": "a\\u0000b"}'), 422, "nul-char", "#/answers/head"),
    "NUL in a key": (body('{"he\\u0000ad": 1}'), 422, "nul-char", "#/answers/he\\u0000ad"),
    "NUL in metadata": (body(more=', "metadata": {"a": ["\\u0000"]}'), 422, "nul-char", "#/metadata/a/0"),
    "NUL in respondent": (body(more=', "respondent": "\\u0000"'), 422, "nul-char", "#/respondent"),
    "lone surrogate": (body('{"head": "\\ud800"}'), 400, "lone-surrogate", "#/answers/head"),
    "NaN": (body('{"income": NaN}'), 400, "number-invalid", "#/answers/income"),
    "Infinity": (body('{"income": -Infinity}'), 400, "number-invalid", "#/answers/income"),
    "1e400": (body('{"income": 1e400}'), 400, "number-range", "#/answers/income"),
    "2^63": (body('{"members": 9223372036854775808}'), 422, "integer-range", "#/answers/members"),
    "duplicate key": (body('{"head": "a", "head": "b"}'), 400, "duplicate-key", "#/answers/head"),
    "33 levels": (body('{"head": ' + "[" * 32 + "]" * 32 + "}"), 400, "depth", "#/answers/head" + "/0" * 30),
    "100,000 levels": (b"[" * 100_000, 400, "depth", "#"),
    "10,000 fields": (body(json.dumps({f"k{number}": 1 for number in range(10_000)})), 400, "too-many-fields", "#/answers"),
    "10,000 empty rows": (body(json.dumps({"rows": [{}] * 10_000})), 400, "too-many-fields", "#/answers/rows"),
    "10,000 choices": (body(json.dumps({"water": ["a"] * 10_000})), 400, "too-many-fields", "#/answers/water"),
    "unknown question": (body('{"head": "a", "hed": "b"}'), 422, "answers-rejected", "#/answers/hed"),
    "wrong type": (body('{"head": 5}'), 422, "answers-rejected", "#/answers/head"),
    "text for integer": (body('{"head": "a", "members": "4"}'), 422, "answers-rejected", "#/answers/members"),
    "decimal for integer": (body('{"head": "a", "members": 4.5}'), 422, "answers-rejected", "#/answers/members"),
    "true for integer": (body('{"head": "a", "members": true}'), 422, "answers-rejected", "#/answers/members"),
    "object for text": (body('{"head": {"a": 1}}'), 422, "answers-rejected", "#/answers/head"),
    "out of bounds": (body('{"head": "a", "members": 41}'), 422, "answers-rejected", "#/answers/members"),
    "unknown choice": (body('{"head": "a", "water": "sea"}'), 422, "answers-rejected", "#/answers/water"),
    "required missing": (body("{}"), 422, "answers-rejected", "#/answers/head"),
    "too long": (body('{"head": "' + "a" * 101 + '"}'), 422, "answers-rejected", "#/answers/head"),
    "wrong version": (body(more=', "version": 7'), 422, "unknown-version", "#/version"),
    "no id": (b'{"answers": {"head": "a"}}', 422, "id-required", "#/id"),
    "bad id": (body().replace(b'"x"', b'"a b"'), 422, "id-format", "#/id"),
    "not an object": (b"[]", 422, "envelope", "#"),
    "answers a list": (body("[]"), 422, "envelope", "#/answers"),
    "unknown field": (body(more=', "answer": {}'), 422, "unknown-field", "#/answer"),
    "revision in a create": (body(more=', "revision": 1'), 422, "envelope", "#/revision"),
}


@pytest.mark.parametrize("name", BODIES)
def test_the_place_is_named(client: httpx.Client, name: str) -> None:
    sent, status, code, pointer = BODIES[name]

    reply = client.post(PATH, content=sent, headers=JSON)

    document = reply.json()
    assert (reply.status_code, document["code"]) == (status, code)
    assert [place["pointer"] for place in document["errors"]] == ([pointer] if pointer else [])
    assert reply.headers["content-type"] == "application/problem+json"
    assert document["request_id"] == reply.headers["x-request-id"]
    assert document["next_step"] and not document["retryable"]


def test_nothing_of_it_is_stored(client: httpx.Client) -> None:
    assert client.get(PATH).json()["responses"] == []


@pytest.mark.parametrize(
    ("sent", "headers", "status", "code"),
    [
        (body(), {"Content-Type": "text/plain"}, 415, "media-type"),
        (body(), {"Content-Type": "application/json; charset=utf-16"}, 415, "media-type"),
        (body(), {**JSON, "Content-Encoding": "br"}, 415, "content-encoding"),
        (b"plain", {**JSON, "Content-Encoding": "gzip"}, 400, "encoding-corrupt"),
        (gzip.compress(bytes(50_000_000)), {**JSON, "Content-Encoding": "gzip"}, 413, "body-too-large"),
        (b" " * (1024 * 1024 + 1), JSON, 413, "body-too-large"),
        (b" " * (12 * 1024 * 1024), JSON, 413, "body-too-large"),
        (body(), {**JSON, **{f"X-{number}": "y" for number in range(120)}}, 431, "headers-too-large"),
        (body(), {**JSON, "X-Long": "y" * 17_000}, 431, "headers-too-large"),
    ],
)
def test_headers_and_size_are_judged_first(client: httpx.Client, sent: bytes, headers: dict[str, str], status: int, code: str) -> None:
    reply = client.post(PATH, content=sent, headers=headers)

    assert (reply.status_code, reply.json()["code"]) == (status, code)


def test_an_endless_chunked_body_is_cut_off(client: httpx.Client) -> None:
    reply = client.post(PATH, content=(b" " * 65536 for _ in range(200)), headers=JSON)

    assert (reply.status_code, reply.json()["code"]) == (413, "body-too-large")


def test_a_body_of_one_mebibyte_is_taken(client: httpx.Client) -> None:
    sent = {"id": "large", "answers": {"head": "a", "note": ""}}
    sent["answers"]["note"] = "n" * (1024 * 1024 - len(orjson.dumps(sent)))  # type: ignore[index]

    reply = client.post(f"{PATH}:validate", content=orjson.dumps(sent), headers=JSON)

    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("sent", "kind", "status", "code"),
    [
        (b"", "application/json", 400, "json-empty"),
        (b"[]", "application/json", 400, "json-empty"),
        (b"\n\n", "application/x-ndjson", 400, "json-empty"),
        (b"{}", "application/json", 422, "envelope"),
        (b"[{}", "application/json", 400, "json-syntax"),
        (b"[" + b",".join([b"{}"] * 1001) + b"]", "application/json", 413, "batch-too-large"),
        (b"{}\n" * 1001, "application/x-ndjson", 413, "batch-too-large"),
        (b" " * (5 * 1024 * 1024 + 1), "application/json", 413, "body-too-large"),
        (b"{}", "text/csv", 415, "media-type"),
    ],
)
def test_a_batch_is_bounded(client: httpx.Client, sent: bytes, kind: str, status: int, code: str) -> None:
    reply = client.post(f"{PATH}:batch", content=sent, headers={"Content-Type": kind})

    assert (reply.status_code, reply.json()["code"]) == (status, code)


def test_each_bad_item_of_a_batch_names_its_place(client: httpx.Client) -> None:
    chosen = {name: case for name, case in BODIES.items() if case[0].strip() and name not in ("100,000 levels", "two documents")}

    reply = client.post(
        f"{PATH}:batch", content=b"\n".join(case[0] for case in chosen.values()), headers={"Content-Type": "application/x-ndjson"}
    )

    assert reply.status_code == 207
    for result, (_, status, code, pointer) in zip(reply.json()["results"], chosen.values(), strict=True):
        assert (result["status"], result["problem"]["code"]) == (status, code)
        assert [place["pointer"] for place in result["problem"]["errors"]] == [pointer]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "unknown-path"),
        ("GET", "/v1/forms/", 404, "unknown-path"),
        ("GET", "/v1/nothing", 404, "unknown-path"),
        ("POST", "/v1/forms/nothing/responses", 404, "unknown-form"),
        ("GET", "/v1/forms/%00/schema", 404, "unknown-form"),
        ("GET", "/v1/forms/%F0%9F%98%80", 404, "unknown-form"),
        ("GET", "/v1/forms/" + "a" * 5000, 404, "unknown-form"),
        ("GET", "/v1/responses/%00", 422, "id-format"),
        ("GET", "/v1/responses/a?form=%00", 404, "unknown-form"),
        ("GET", f"{PATH}?after=-1", 422, "invalid"),
        ("GET", f"{PATH}?limit=%D9%A3", 422, "invalid"),
        ("GET", f"{PATH}?after=99999999999999999999", 422, "invalid"),
        ("GET", "/v1/forms/household?version=99", 422, "unknown-version"),
        ("GET", "/v1/forms/household?version=x", 422, "invalid"),
        ("DELETE", f"{PATH}/a?revision=0", 428, "revision-required"),
        ("DELETE", f"{PATH}/a?revision=99999999999", 428, "revision-required"),
        ("PATCH", f"{PATH}/a", 405, "method-not-allowed"),
        ("TRACE", PATH, 405, "method-not-allowed"),
        ("GET", "/problems/nothing", 404, "unknown-path"),
    ],
)
def test_paths_methods_and_parameters_are_refused_in_words(client: httpx.Client, method: str, path: str, status: int, code: str) -> None:
    reply = client.request(method, path)

    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert (status == 405) == ("allow" in reply.headers)


HEAD = b"POST /v1/forms/household/responses HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        b"nonsense\r\n\r\n",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        HEAD + b"Content-Length: -1\r\n\r\n{}",
        HEAD + b"Content-Length: +5\r\n\r\n{}",
        HEAD + b"Content-Length: 5,5\r\n\r\n{}",
        HEAD + b"X-Bad: a\x00b\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 300_000,
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 5000,
    ],
)
def test_what_is_not_http_is_answered_and_closed(server: tuple[IngestProcess, str], raw: bytes) -> None:
    reply = exchange(server[0], raw)

    assert reply.split(b" ")[1] in (b"400", b"401", b"431")
    assert b"application/problem+json" in reply


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(server: tuple[IngestProcess, str]) -> None:
    running, key = server
    sent = orjson.dumps(response())
    head = HEAD + b"Authorization: Bearer %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"

    reply = exchange(running, head % (key.encode(), len(sent)) + sent)

    assert reply.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\n")


values: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.sampled_from(["4", "well", "2026-01-01", "\x00", "\ud800"]),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["head", "members", "income", "water", "phone", "note"]) | st.text(max_size=6)
envelopes = st.fixed_dictionaries(
    {"id": st.sampled_from(["a", "b", "c"]) | values, "answers": st.dictionaries(keys, values, max_size=5) | values},
    optional=dict.fromkeys(("version", "submitted_at", "respondent", "source", "metadata", "language", "revision", "other"), values),
)


@drawn(85, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=envelopes | values, path=st.sampled_from([PATH, f"{PATH}:validate", f"{PATH}:batch", f"{PATH}/a", "/v1/forms"]))
def test_no_json_document_makes_a_5xx(client: httpx.Client, document: Any, path: str) -> None:
    sent = json.dumps([document] if path.endswith(":batch") else document).encode()
    method = "PUT" if path.endswith("/a") else "POST"

    reply = client.request(method, path, content=sent, headers={**JSON, "If-Match": '"1"'} if method == "PUT" else JSON)

    told = [reply.json(), *(result.get("problem", {}) for result in reply.json().get("results", []))]
    assert reply.status_code < 500
    assert all(problem["status"] < 500 for problem in told if "code" in problem and problem["code"] in PROBLEMS)


starts = st.sampled_from([b"{", b'{"answers": {', b'"', b"[", b"1e", b"form: x\n"])
ends = st.sampled_from([b"}", b"}}", b'"', b"]", b""])
almost_json = st.tuples(starts, st.binary(max_size=20), ends).map(b"".join)


@drawn(50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sent=st.binary(max_size=120) | almost_json,
    path=st.sampled_from([PATH, f"{PATH}:batch", "/v1/forms"]),
    kind=st.sampled_from(["application/json", "application/x-ndjson", "application/yaml"]),
    encoding=st.sampled_from(["identity", "gzip"]),
)
def test_no_bytes_make_a_5xx(client: httpx.Client, sent: bytes, path: str, kind: str, encoding: str) -> None:
    reply = client.post(path, content=sent, headers={"Content-Type": kind, "Content-Encoding": encoding})

    assert reply.status_code < 500
