"""The only HTTP client for addresses that a configuration names: webhooks and SMS gateways."""

import http.client
import ssl
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

from collect_pipelines import __version__
from collect_pipelines.destinations.http.connections import Connection, Guard, Resolve, open_connection, system_addresses, trusted
from collect_pipelines.destinations.http.deadline import Deadline
from collect_pipelines.destinations.http.headers import check_header
from collect_pipelines.destinations.http.problems import NotAllowed, NotSent, OutcomeUnclear
from collect_pipelines.destinations.http.reading import Answer, read_answer
from collect_pipelines.destinations.http.urls import Target, target_of
from collect_pipelines.errors import ConfigInvalid

__all__ = ["Answer", "GuardedClient"]

USER_AGENT = f"collect-pipelines/{__version__}"
IDLE_SECONDS = 4.0  # most servers close an idle connection after 5 s or more; a request sent into a closing one has no clear outcome
MAX_IDLE = 16  # per receiver

_Place = tuple[str, str, int]


class GuardedClient:
    """
    Sends one request at a time per thread, from as many threads as you like.

    It follows no redirects, uses no proxy, keeps connections alive, verifies TLS, and ends within the time given, whatever the
    receiver does. Neither addresses beyond the host nor headers or bodies are in what it raises or logs.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        timeout_seconds: float = 15.0,
        most_response_bytes: int = 65_536,
        resolve: Resolve = system_addresses,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        allow_private: whether http, other ports and addresses of private networks may be used.
        timeout_seconds: for all of it, from resolving the name to the last byte that is read.
        tls: whom to trust instead of the system's certificate authorities.
        """
        self._guard = Guard(allow_private=allow_private, resolve=resolve)
        self._timeout_seconds, self._most_response_bytes = timeout_seconds, most_response_bytes
        self._tls, self._clock = tls, clock
        self._idle: defaultdict[_Place, list[tuple[Connection, float]]] = defaultdict(list)
        self._lock = threading.Lock()

    def request(self, method: str, url: str, *, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """
        The answer, whatever its status. Raises

        * NotAllowed (a NotSent): the guard refuses the address or a header,
        * NotSent: surely without effect (not resolved, not connected, no TLS),
        * OutcomeUnclear: sent, at least in part, and no status came back in time.
        """
        target = self._checked(url, headers)
        connection = self._take(target)
        try:
            connection.request(method, target.path, body=body, headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity", **headers})
            # of http.client: the one of urllib3 would log the path of an answer with odd headers
            response = http.client.HTTPConnection.getresponse(connection)
        except (OSError, http.client.HTTPException, ValueError) as exc:
            connection.close()
            raise OutcomeUnclear(f"No answer from {target}: {_failure(exc)}.") from exc
        except BaseException:
            connection.close()
            raise
        with response:
            answer = read_answer(response, self._most_response_bytes)
        self._put_back(target, connection, answer)
        if answer.status < 200:
            raise OutcomeUnclear(f"No answer from {target}: its status is {answer.status}.")
        return answer

    def close(self) -> None:
        """Closes the connections that are kept."""
        with self._lock:
            kept = [connection for idle in self._idle.values() for connection, _ in idle]
            self._idle.clear()
        for connection in kept:
            connection.close()

    def _checked(self, url: str, headers: Mapping[str, str]) -> Target:
        try:
            for name, value in headers.items():
                check_header(name, value)
            return target_of(url, allow_private=self._guard.allow_private)
        except ConfigInvalid as exc:
            raise NotAllowed(exc.message, fix=exc.fix or "") from exc

    def _take(self, target: Target) -> Connection:
        while (connection := self._kept(target)) is not None:
            if connection.is_connected:
                connection.deadline.start(self._timeout_seconds)
                return connection
            connection.close()
        deadline = Deadline(self._clock)
        deadline.start(self._timeout_seconds)
        try:
            return open_connection(target, self._guard, deadline, self._tls or trusted())
        except TimeoutError as exc:
            raise NotSent(f"No connection to {target}: it took too long.") from exc

    def _kept(self, target: Target) -> Connection | None:
        with self._lock:
            idle = self._idle[_place(target)]
            while idle:
                connection, since = idle.pop()
                if self._clock() - since < IDLE_SECONDS:
                    return connection
                connection.close()
        return None

    def _put_back(self, target: Target, connection: Connection, answer: Answer) -> None:
        with self._lock:
            idle = self._idle[_place(target)]
            if answer.reusable and len(idle) < MAX_IDLE:
                idle.append((connection, self._clock()))
                return
        connection.close()


def _place(target: Target) -> _Place:
    return target.scheme, target.host, target.port


def _failure(exc: Exception) -> str:
    """In words without anything the receiver said."""
    if isinstance(exc, TimeoutError):
        return "it took too long"
    if isinstance(exc, ConnectionError):
        return "the connection was cut"
    return "what came back is no HTTP" if isinstance(exc, http.client.HTTPException) else type(exc).__name__
