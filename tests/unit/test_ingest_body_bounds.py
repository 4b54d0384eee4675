"""A body is judged by its headers before a byte is read, and bounded while it is read."""

import asyncio
import gzip
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from collect_pipelines.ingest import body as bodies
from collect_pipelines.ingest.body import BODY_BYTES, JSON_TYPES, media_type, read_body
from collect_pipelines.ingest.problems import Problem
from collect_pipelines.ingest.request import Request


def request_with(headers: Sequence[tuple[bytes, bytes]], parts: Sequence[bytes] = (), *, ends: bool = True) -> Request:
    """A request whose body arrives in these parts; unless it `ends`, nothing comes after them."""
    messages: Iterator[dict[str, Any]] = iter(
        [{"type": "http.request", "body": part, "more_body": not ends or part is not parts[-1]} for part in parts]
    )

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        return await asyncio.get_running_loop().create_future()

    return Request({"type": "http", "method": "POST", "path": "/", "headers": list(headers)}, receive)


def read(request: Request, limit: int = BODY_BYTES) -> bytes:
    return asyncio.run(read_body(request, limit))


def code_of(request: Request, limit: int = BODY_BYTES) -> str:
    with pytest.raises(Problem) as refused:
        read(request, limit)
    return refused.value.code


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"text/json",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=x",
        b"application/json; charset=utf-16",
        b"",
    ],
)
def test_another_content_type_is_refused(value: bytes | None) -> None:
    headers = [] if value is None else [(b"content-type", value)]

    with pytest.raises(Problem) as refused:
        media_type(request_with(headers), JSON_TYPES)

    assert refused.value.code == "media-type"


@pytest.mark.parametrize(
    "value", [b"application/json", b"Application/JSON", b'application/json; charset="UTF-8"', b"application/json;charset=utf8"]
)
def test_json_in_utf8_is_taken(value: bytes) -> None:
    assert media_type(request_with([(b"content-type", value)]), JSON_TYPES) == "application/json"


def test_parts_are_put_together() -> None:
    assert read(request_with([], [b"ab", b"", b"c"])) == b"abc"


def test_a_declared_length_over_the_limit_is_refused_without_reading() -> None:
    request = request_with([(b"content-length", b"1000")], [b"x"], ends=False)

    assert code_of(request, 999) == "body-too-large"
    assert not request.body_read


def test_an_endless_body_is_cut_off_at_the_limit() -> None:
    assert code_of(request_with([], [b"x" * 600] * 1000, ends=False), 1000) == "body-too-large"


def test_a_body_that_stops_arriving_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_TIMEOUT_SECONDS", 0.02)

    assert code_of(request_with([(b"content-length", b"10")], [b"abc"], ends=False)) == "body-timeout"


@pytest.mark.parametrize("value", [b"br", b"zstd", b"deflate", b"gzip, gzip"])
def test_another_content_encoding_is_refused(value: bytes) -> None:
    assert code_of(request_with([(b"content-encoding", value)], [b""])) == "content-encoding"


def test_two_encoding_headers_are_refused() -> None:
    assert code_of(request_with([(b"content-encoding", b"gzip"), (b"content-encoding", b"gzip")], [b""])) == "content-encoding"


def test_gzip_is_unpacked() -> None:
    assert read(request_with([(b"content-encoding", b"gzip")], [gzip.compress(b"hello")])) == b"hello"


def test_a_gzip_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(bytes(100 * 1024 * 1024))

    assert code_of(request_with([(b"content-encoding", b"gzip")], [bomb])) == "body-too-large"


@pytest.mark.parametrize(
    "body",
    [b"", b"not gzip", gzip.compress(b"hello")[:-4], gzip.compress(b"a") + gzip.compress(b"b"), zlib.compress(b"hello")],
    ids=["nothing", "text", "cut off", "two members", "zlib"],
)
def test_what_is_not_one_whole_gzip_member_is_refused(body: bytes) -> None:
    assert code_of(request_with([(b"content-encoding", b"gzip")], [body])) == "encoding-corrupt"
