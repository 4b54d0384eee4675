"""Clients that are slow, silent or too many are sent away in words; over real sockets, with the waits made short."""

import asyncio
import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn

from collect_pipelines.ingest import body, protocol
from collect_pipelines.ingest.protocol import BoundedProtocol
from tests.unit.ingest_fakes import PATH, FakeWriter, app_with

SHORT = 0.15
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer cp_live_abcdefgh\r\nContent-Type: application/json\r\n".encode()


@pytest.fixture
def writer() -> FakeWriter:
    return FakeWriter()


@pytest.fixture
def port(writer: FakeWriter, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server in a thread of this process."""
    monkeypatch.setattr(protocol, "HEADER_SECONDS", SHORT)
    monkeypatch.setattr(protocol, "IDLE_SECONDS", SHORT)
    monkeypatch.setattr(protocol, "MAX_CONNECTIONS", 20)
    monkeypatch.setattr(body, "BODY_TIMEOUT_SECONDS", SHORT)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app_with(writer), http=BoundedProtocol, ws="none", log_config=None, interface="asgi3"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join()


def talk(port: int, *parts: bytes, pause: float = 0.05) -> bytes:
    """Sends the parts with pauses between them; all that comes back until the server closes."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        while piece := connection.recv(65536):
            received += piece
    return received


def test_headers_that_trickle_are_given_up(port: int) -> None:
    reply = talk(port, *[HEAD[at : at + 10] for at in range(0, 60, 10)])

    assert reply.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"body-timeout"' in reply


def test_a_body_that_trickles_is_given_up_and_nothing_is_stored(port: int, writer: FakeWriter) -> None:
    reply = talk(port, HEAD + b"Content-Length: 100\r\n\r\n", b'{"id"', b': "a"')

    assert reply.startswith(b"HTTP/1.1 408 ")
    assert writer.stored == []


def test_a_client_that_says_nothing_is_let_go(port: int) -> None:
    assert talk(port) == b""


def test_a_request_in_many_pieces_within_the_time_is_answered(port: int, writer: FakeWriter) -> None:
    sent = b'{"id": "a", "answers": {"q": "x"}}'

    reply = talk(port, HEAD, b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(sent), sent[:10], sent[10:], pause=0.01)

    assert reply.startswith(b"HTTP/1.1 201 ")
    assert [submission.response_id for submission in writer.stored] == ["a"]


def test_requests_sent_ahead_are_answered_in_order(port: int, writer: FakeWriter) -> None:
    requests = []
    for name in ("a", "b", "c"):
        sent = b'{"id": "%s", "answers": {"q": "x"}}' % name.encode()
        requests.append(HEAD + b"Content-Length: %d\r\n\r\n" % len(sent) + sent)

    reply = talk(port, b"".join(requests), b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert re.findall(rb"HTTP/1.1 (\d+)", reply) == [b"201", b"201", b"201", b"200"]
    assert [submission.response_id for submission in writer.stored] == ["a", "b", "c"]


def test_a_refused_client_may_finish_sending_and_sees_why(port: int) -> None:
    reply = talk(port, HEAD + b"Content-Length: 9000000\r\n\r\n", *[b" " * 1_000_000] * 9, pause=0)

    assert reply.startswith(b"HTTP/1.1 413 ")


def test_too_many_connections_are_refused_in_words(port: int) -> None:
    held = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
    try:
        reply = talk(port)
    finally:
        for connection in held:
            connection.close()

    assert reply.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1\r\n" in reply
