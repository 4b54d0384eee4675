"""Connections that go where the guard looked: a name is resolved once, all its addresses are judged, one of them is taken."""

import queue
import socket
import ssl
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from collect_pipelines.destinations.http.addresses import is_this_machine, refusal
from collect_pipelines.destinations.http.deadline import Deadline, TimedSocket
from collect_pipelines.destinations.http.problems import NotAllowed, NotSent
from collect_pipelines.destinations.http.urls import PRIVATE_FIX, Target

__all__ = ["Connection", "Guard", "Resolve", "open_connection", "system_addresses", "trusted"]

Resolve = Callable[[str, int], Sequence[str]]
"""Addresses of a host in the order they should be tried. Raises OSError when there are none."""

CONNECT_SECONDS = 5.0  # a TCP connection takes one way around the world, 0.4 s, and two repetitions
MAX_ADDRESSES = 20  # more is a mistake or an attempt to hide one among many


def system_addresses(host: str, port: int) -> list[str]:
    """What the system's resolver says, without doublets."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


@lru_cache(maxsize=1)
def trusted() -> ssl.SSLContext:
    """TLS 1.2 at least, verified against the system's authorities (or SSL_CERT_FILE). Reading them takes some 20 ms of CPU."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Guard:
    """Opens sockets to targets whose every address may be reached."""

    def __init__(self, *, allow_private: bool, resolve: Resolve = system_addresses) -> None:
        self.allow_private, self._resolve = allow_private, resolve

    def connect(self, target: Target, deadline: Deadline) -> socket.socket:
        """A connected socket. Raises NotAllowed or NotSent."""
        # resolved once: what is connected to below is what was judged, whatever the name says a moment later
        addresses = [target.host] if target.is_address else self._addresses(target, deadline)
        self._judge(target, addresses)
        failure = "it has no address"
        for address in addresses:
            try:
                return self._socket(address, target.port, deadline)
            except OSError as exc:
                failure = _connect_failure(exc)
        raise NotSent(f"No connection to {target}: {failure}.")

    def _addresses(self, target: Target, deadline: Deadline) -> Sequence[str]:
        """Asks the resolver in a thread of its own: it knows no deadline and may take half a minute."""
        answers: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._resolve(target.host, target.port))
            except Exception as exc:  # noqa: BLE001 - handed over to the caller's thread
                answers.put(exc)

        threading.Thread(target=ask, name="resolve", daemon=True).start()
        try:
            answer = answers.get(timeout=deadline.left())
        except (queue.Empty, TimeoutError):
            raise NotSent(f"The name {target.host} was not resolved in time.") from None
        if isinstance(answer, Exception) or not answer:
            raise NotSent(f"The name {target.host} can't be resolved.")
        return answer

    def _judge(self, target: Target, addresses: Sequence[str]) -> None:
        """One bad address is enough: which of them is taken must not be left to chance."""
        if len(addresses) > MAX_ADDRESSES:
            raise NotAllowed(f"{target.host} has {len(addresses)} addresses.", fix=f"A receiver has at most {MAX_ADDRESSES}.")
        for address in addresses:
            reason = refusal(address, allow_private=self.allow_private)
            if reason is None and not self.allow_private and is_this_machine(address, target.port):
                reason = "an address of this machine"
            if reason:
                raise NotAllowed(f"{target.host} leads to {reason}: nothing is sent there.", fix=PRIVATE_FIX)

    @staticmethod
    def _socket(address: str, port: int, deadline: Deadline) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.settimeout(min(CONNECT_SECONDS, deadline.left()))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.connect((address, port))
            sock.settimeout(deadline.left())  # for the TLS handshake
        except BaseException:
            sock.close()
            raise
        return sock


class _Guarded:
    """What the two classes below share; set by `open_connection`."""

    target: Target
    guard: Guard
    deadline: Deadline

    def _new_conn(self) -> socket.socket:
        return self.guard.connect(self.target, self.deadline)


class PlainConnection(_Guarded, HTTPConnection):
    """For receivers in one's own network."""

    def connect(self) -> None:
        """Connects to a judged address."""
        super().connect()
        self.sock = TimedSocket(self.sock, self.deadline)


class TlsConnection(_Guarded, HTTPSConnection):
    """The certificate must be for the name, though the connection goes to an address."""

    def connect(self) -> None:
        """Connects to a judged address and shakes hands. Raises NotSent when the certificate is not good."""
        try:
            super().connect()
        except ssl.SSLCertVerificationError as exc:
            raise NotSent(f"The certificate of {self.target} is not good: {exc.verify_message}.") from exc
        except (OSError, ValueError, HTTPError) as exc:
            raise NotSent(f"No encrypted connection to {self.target}: {_connect_failure(exc)}.") from exc
        self.sock = TimedSocket(self.sock, self.deadline)


Connection = PlainConnection | TlsConnection


def open_connection(target: Target, guard: Guard, deadline: Deadline, context: ssl.SSLContext) -> Connection:
    """A connected connection. Raises NotAllowed or NotSent."""
    connection: Connection
    if target.scheme == "https":
        connection = TlsConnection(target.host, target.port, ssl_context=context)
    else:
        connection = PlainConnection(target.host, target.port)
    connection.target, connection.guard, connection.deadline = target, guard, deadline
    try:
        connection.connect()
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_failure(exc: Exception) -> str:
    """In words without addresses."""
    if isinstance(exc, TimeoutError):
        return "it took too long"
    if isinstance(exc, ConnectionRefusedError):
        return "it was refused"
    if isinstance(exc, ssl.SSLError):
        return "there is no agreement on TLS"
    return f"{type(exc).__name__}"
