"""A receiver costs neither more time nor more memory than was granted, and how a request ended is told apart."""

import gzip
import os
import socket
import ssl
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from collect_pipelines.destinations.http import NotAllowed, NotSent, OutcomeUnclear, urls
from collect_pipelines.destinations.http.client import GuardedClient
from collect_pipelines.destinations.http.connections import Guard
from collect_pipelines.destinations.http.deadline import Deadline
from tests.contract.http_stand_ins import HOST, Authority, Receiver, Reply, Request, Resolver, raw_server, read_request, receiving
from tests.unit.test_http_guard_addresses import NEVER, PRIVATE

LOOPBACK = Resolver(["127.0.0.1"])
QUICK = 0.3  # seconds: long enough for loopback, short enough to wait for


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def client() -> Iterator[GuardedClient]:
    made = GuardedClient(allow_private=True, timeout_seconds=QUICK)
    yield made
    made.close()


def post(client: GuardedClient, url: str, body: bytes = b"{}"):
    return client.request("POST", url, body=body, headers={"Content-Type": "application/json"})


def test_a_request_arrives_as_it_was_sent_and_the_connection_is_kept(client: GuardedClient) -> None:
    with receiving(lambda request: Reply(201, b"made", {"X-Id": "7"})) as receiver:
        answers = [post(client, receiver.url, body) for body in (b"one", b"two")]

    assert [(answer.status, answer.body, answer.headers["x-id"], answer.complete) for answer in answers] == [(201, b"made", "7", True)] * 2
    assert [(request.method, request.path, request.body, request.connection) for request in receiver.requests] == [
        ("POST", "/hook?token=s3cret", b"one", 1),
        ("POST", "/hook?token=s3cret", b"two", 1),
    ]
    assert receiver.requests[0].headers["host"] == f"127.0.0.1:{receiver.port}"


def test_a_connection_that_idled_too_long_is_not_used_again() -> None:
    now = [100.0]
    client = GuardedClient(allow_private=True, clock=lambda: now[0])
    with receiving() as receiver:
        for _ in range(3):
            post(client, receiver.url)
            now[0] += 3.9
        now[0] += 1
        post(client, receiver.url)
    client.close()

    assert [request.connection for request in receiver.requests] == [1, 1, 1, 2]


def test_tls_verifies_the_name_though_the_address_is_connected_to(authority: Authority) -> None:
    with receiving(tls=authority.server(HOST)) as receiver:
        resolve = Resolver(["127.0.0.1"])
        client = GuardedClient(allow_private=True, resolve=resolve, tls=authority.trusted())
        assert post(client, receiver.url).ok
        assert post(client, receiver.url).ok
        client.close()

    assert receiver.requests[0].headers["host"] == f"{HOST}:{receiver.port}"
    assert resolve.asked == [HOST]


@pytest.mark.parametrize(("names", "expired"), [(["other.example"], False), ([HOST], True), (["127.0.0.1"], False)])
def test_a_certificate_that_is_not_good_gets_nothing(authority: Authority, names: list[str], expired: bool) -> None:
    with receiving(tls=authority.server(*names, expired=expired)) as receiver:
        client = GuardedClient(allow_private=True, resolve=LOOPBACK, tls=authority.trusted())
        with pytest.raises(NotSent, match="certificate of receiver"):
            post(client, receiver.url)

    assert receiver.requests == []


def test_an_authority_nobody_knows_gets_nothing(authority: Authority) -> None:
    with receiving(tls=authority.server(HOST)) as receiver, pytest.raises(NotSent, match="certificate"):
        post(GuardedClient(allow_private=True, resolve=LOOPBACK), receiver.url)

    assert receiver.requests == []


def test_old_tls_is_refused(authority: Authority) -> None:
    old = authority.server(HOST)
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    with receiving(tls=old) as receiver, pytest.raises(NotSent, match="TLS"):
        post(GuardedClient(allow_private=True, resolve=LOOPBACK, tls=authority.trusted()), receiver.url)


class Canary:
    """Listens where nobody may come, and tells whether the guard let a connection begin at all."""

    def __init__(self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        self.receiver, self.begun = receiver, list[str]()
        monkeypatch.setattr(urls, "PUBLIC_PORTS", (receiver.port,))
        real = Guard._socket

        def spied(address: str, port: int, deadline: Deadline) -> socket.socket:
            self.begun.append(address)
            return real(address, port, deadline)

        monkeypatch.setattr(Guard, "_socket", staticmethod(spied))

    @property
    def touched(self) -> bool:
        return bool(self.begun or self.receiver.connections)


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch, authority: Authority) -> Iterator[Canary]:
    with receiving(tls=authority.server(HOST)) as receiver:
        yield Canary(receiver, monkeypatch)


def test_no_name_leads_to_a_private_address(canary: Canary, authority: Authority) -> None:
    for address in PRIVATE + NEVER:
        client = GuardedClient(resolve=Resolver([address]), tls=authority.trusted())
        with pytest.raises(NotAllowed) as refused:
            post(client, canary.receiver.url)
        assert refused.value.fix

    assert len(PRIVATE + NEVER) >= 40
    assert not canary.touched


@pytest.mark.parametrize(
    "addresses", [["9.9.9.9", "::1"], ["9.9.9.9", "10.0.0.1"], ["fd00::1", "9.9.9.9"], ["9.9.9.9"] * 20 + ["127.0.0.1"]]
)
def test_one_private_address_among_public_ones_is_enough_to_refuse(canary: Canary, authority: Authority, addresses: list[str]) -> None:
    with pytest.raises(NotAllowed):
        post(GuardedClient(resolve=Resolver(addresses), tls=authority.trusted()), canary.receiver.url)

    assert not canary.touched


def test_a_name_that_changes_after_it_was_judged_is_still_connected_to_where_it_was_judged(canary: Canary, authority: Authority) -> None:
    rebinding = Resolver(["2620:fe::fe"], ["127.0.0.1"])
    client = GuardedClient(resolve=rebinding, tls=authority.trusted(), timeout_seconds=QUICK)
    with pytest.raises(NotSent):  # nobody answers at that address from here
        post(client, canary.receiver.url)
    assert canary.begun == ["2620:fe::fe"]
    assert rebinding.asked == [HOST]
    with pytest.raises(NotAllowed):
        post(client, canary.receiver.url)

    assert canary.begun == ["2620:fe::fe"]
    assert canary.receiver.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_nothing_more(client: GuardedClient, status: int) -> None:
    with receiving() as target, receiving(lambda request: Reply(status, b"", {"Location": target.url})) as receiver:
        answer = post(client, receiver.url)

    assert answer.status == status
    assert len(receiver.requests) == 1
    assert target.connections == 0


def test_a_proxy_of_the_environment_is_not_used(client: GuardedClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as proxy, receiving() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert post(client, receiver.url).ok

    assert proxy.connections == 0


@pytest.mark.parametrize(("name", "value"), [("Host", "evil.example"), ("X-A", "a\r\nX-B: b"), ("Content-Length", "0")])
def test_a_header_that_changes_the_request_is_refused_before_anything_is_sent(client: GuardedClient, name: str, value: str) -> None:
    with receiving() as receiver, pytest.raises(NotAllowed):
        client.request("POST", receiver.url, body=b"", headers={name: value})

    assert receiver.connections == 0


def test_nobody_listening_and_no_such_name_are_surely_not_sent(client: GuardedClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NotSent, match="refused"):
        post(client, f"http://127.0.0.1:{port}/")

    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(-2, "Name or service not known")

    with pytest.raises(NotSent, match="can't be resolved"):
        post(GuardedClient(resolve=unknown), "https://hooks.example.org/")


@pytest.mark.parametrize("said", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_handshake_that_never_ends_or_is_none_is_surely_not_sent(authority: Authority, said: bytes) -> None:
    def handle(connection: socket.socket) -> None:
        connection.recv(10_000)
        connection.sendall(said)
        connection.recv(1)

    started = time.monotonic()
    with raw_server(handle) as url, pytest.raises(NotSent, match="No encrypted connection"):
        client = GuardedClient(allow_private=True, tls=authority.trusted(), timeout_seconds=QUICK)
        post(client, url.replace("http:", "https:"))

    assert time.monotonic() - started < QUICK * 10


def test_a_resolver_that_hangs_is_left_behind() -> None:
    with socket.create_server(("127.0.0.1", 0)) as never:

        def hanging(host: str, port: int) -> list[str]:
            never.accept()[0].close()  # until the test ends
            return []

        started = time.monotonic()
        with pytest.raises(NotSent, match="in time"):
            post(GuardedClient(resolve=hanging, timeout_seconds=QUICK), "https://hooks.example.org/")
        assert time.monotonic() - started < QUICK * 10
        socket.create_connection(never.getsockname()).close()


def hang(connection: socket.socket) -> None:
    read_request(connection)
    connection.recv(1)


def drip_headers(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    connection.settimeout(QUICK / 10)
    while True:
        connection.sendall(b"X-A: b\r\n")
        try:
            if not connection.recv(1):
                return
        except TimeoutError:
            continue


def continue_for_ever(connection: socket.socket) -> None:
    read_request(connection)
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def cut(connection: socket.socket) -> None:
    read_request(connection)


def gibberish(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")


def endless_header(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        connection.sendall(b"x" * 65_536)


@pytest.mark.parametrize("handle", [hang, drip_headers, continue_for_ever, cut, gibberish, endless_header])
def test_what_was_sent_and_got_no_clear_answer_in_time_is_unclear(client: GuardedClient, handle) -> None:
    started = time.monotonic()
    with raw_server(handle) as url, pytest.raises(OutcomeUnclear) as unclear:
        post(client, url)

    assert unclear.value.unknown
    assert time.monotonic() - started < QUICK * 10


def test_a_receiver_that_does_not_read_stops_a_large_body(client: GuardedClient) -> None:
    started = time.monotonic()
    with raw_server(lambda connection: time.sleep(QUICK * 3)) as url, pytest.raises(OutcomeUnclear):
        post(client, url, b"x" * 20_000_000)

    assert time.monotonic() - started < QUICK * 10


def drip_body(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    connection.settimeout(QUICK / 10)
    while True:
        connection.sendall(b"x")
        try:
            if not connection.recv(1):
                return
        except TimeoutError:
            continue


def break_off(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf")


def break_a_chunk(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n100\r\nx")


@pytest.mark.parametrize("handle", [drip_body, break_off, break_a_chunk])
def test_the_status_counts_although_the_body_breaks_off(client: GuardedClient, handle) -> None:
    with raw_server(handle) as url:
        answer = post(client, url)

    assert (answer.status, answer.complete) == (200, False)
    assert answer.body.startswith((b"half", b"x"))


def endless_body(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")


def test_an_endless_body_is_read_to_the_bound_and_the_connection_dropped(client: GuardedClient) -> None:
    tracemalloc.start()
    with raw_server(endless_body) as url:
        answer = post(client, url)
        _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert (answer.status, len(answer.body), answer.complete, answer.reusable) == (200, 65_536, False, False)
    assert peak < 2_000_000


def test_a_gzip_bomb_stays_small(client: GuardedClient) -> None:
    bomb = gzip.compress(b"\x00" * 50_000_000)
    with receiving(lambda request: Reply(200, bomb, {"Content-Encoding": "gzip"})) as receiver:
        tracemalloc.start()
        answer = post(client, receiver.url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert receiver.requests[0].headers["accept-encoding"] == "identity"
    assert (len(answer.body), answer.complete) == (65_536, False)
    assert peak < 2_000_000


def test_a_compressed_answer_is_read(client: GuardedClient) -> None:
    with receiving(lambda request: Reply(200, gzip.compress(b'{"sid": "SM1"}'), {"Content-Encoding": "gzip"})) as receiver:
        answer = post(client, receiver.url)

    assert (answer.body, answer.complete) == (b'{"sid": "SM1"}', True)


def test_what_goes_wrong_is_told_without_path_header_or_body(client: GuardedClient, caplog: pytest.LogCaptureFixture) -> None:
    with receiving(lambda request: Reply(cut=True)) as receiver, pytest.raises(OutcomeUnclear) as unclear:
        client.request("POST", receiver.url, body=b"answer-canary", headers={"Authorization": "header-canary"})
    with receiving(lambda request: Reply(200, b"", {"X-Odd": "a\r\n odd-canary", "Bad Header": "x"})) as receiver:
        post(client, receiver.url)

    assert not any(word in unclear.value.message + caplog.text for word in ("s3cret", "hook", "canary"))


def test_no_connection_is_left_open_after_close() -> None:
    before = _open_files()
    client = GuardedClient(allow_private=True)
    with receiving() as receiver:
        post(client, receiver.url)
        client.close()

    assert _open_files() <= before


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0


def test_a_request_says_who_sends_it(client: GuardedClient) -> None:
    seen: list[Request] = []
    with receiving(lambda request: (seen.append(request), Reply())[1]) as receiver:
        post(client, receiver.url)

    assert seen[0].headers["user-agent"].startswith("collect-pipelines/")
