"""A stand-in for Twilio that speaks its wire format and can fail in the ways it fails."""

import base64
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qs, parse_qsl, urlsplit

ACCOUNT = "AC" + "0123456789abcdef" * 2
TOKEN = "a-token-of-the-stand-in"
SENDER = "+15005550006"

Fault = (
    Literal["hang before", "hang after", "cut after", "500 before", "500 after", "503 before", "429", "late", "nonsense", "endless"] | int
)
"""Before or after the message was made; `late`: it is made when the test says so. A number is an error code of Twilio's."""


class TwilioStandIn(ThreadingHTTPServer):
    """Messages by number and text; `faults` are met by the next POSTs, one each."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages: list[dict[str, Any]] = []
        self.faults: deque[Fault | None] = deque()
        self.look_ups = 0
        self.posts = 0
        self.dealt_with = 0
        self.token = TOKEN
        self.deaf = False
        """True: questions are answered with 503."""
        self.held: list[dict[str, str]] = []
        self.released = threading.Event()
        """Set: whoever hangs goes on."""
        self.lock = threading.Lock()
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def provider(self, **more: Any) -> dict[str, Any]:
        """The provider's configuration; the token is in the environment variable SMS_TOKEN."""
        return {
            "kind": "twilio", "account_sid": ACCOUNT, "auth_token": "env:SMS_TOKEN", "sender": SENDER, "base_url": self.url,
            "allow_private": True, "timeout_seconds": 20, **more,
        }  # fmt: skip

    def impatient(self) -> dict[str, Any]:
        """The same for a client that waits no longer than a test does."""
        return self.provider(timeout_seconds=0.5)

    def heard(self, posts: int) -> None:
        """Returns once so many messages have been asked for and dealt with."""
        deadline = time.monotonic() + 20
        while self.dealt_with < posts:
            assert time.monotonic() < deadline, "the request never came"
            time.sleep(0.005)

    def texts(self, to: str | None = None) -> list[str]:
        """What was sent, in order."""
        return [one["body"] for one in self.messages if to in (None, one["to"])]

    def make(self, form: dict[str, str]) -> dict[str, Any]:
        with self.lock:
            message = {
                "sid": f"SM{len(self.messages):032x}", "account_sid": ACCOUNT, "to": form["To"], "from": form.get("From"),
                "messaging_service_sid": form.get("MessagingServiceSid"), "body": form["Body"], "status": "queued",
                "direction": "outbound-api", "date_created": format_datetime(self.clock()), "date_sent": None,
                "date_updated": format_datetime(self.clock()), "error_code": None, "error_message": None,
                "num_segments": "1", "num_media": "0", "price": None, "price_unit": "USD", "api_version": "2010-04-01",
                "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/SM{len(self.messages):032x}.json",
            }  # fmt: skip
            self.messages.append(message | {"callback": form.get("StatusCallback")})
            return message

    def arrive(self) -> None:
        """What was on its way until now is made."""
        while self.held:
            self.make(self.held.pop(0))


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: TwilioStandIn

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        if not self._allowed():
            return
        target = urlsplit(self.path)
        if self.server.deaf:
            self._error(503, 20503, "Service unavailable")
        elif target.path == f"/2010-04-01/Accounts/{ACCOUNT}.json":
            self._answer(200, {"sid": ACCOUNT, "status": "active", "type": "Full", "friendly_name": "Stand-in"})
        elif target.path == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json":
            self.server.look_ups += 1
            query = parse_qs(target.query)
            found = [one for one in reversed(self.server.messages) if one["to"] == query["To"][0]]
            shown = [{name: value for name, value in one.items() if name != "callback"} for one in found]
            self._answer(200, {"messages": shown[: int(query["PageSize"][0])], "page": 0, "page_size": 50, "next_page_uri": None})
        else:
            self._error(404, 20404, "The requested resource was not found")

    def do_POST(self) -> None:
        form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        if not self._allowed():
            return
        self.server.posts += 1
        fault = self.server.faults.popleft() if self.server.faults else None
        if isinstance(fault, int):
            self._error(429 if fault == 20429 else 400, fault, f"Error {fault} about {form['To']}")
        elif fault == "429":
            self._error(429, 20429, "Too Many Requests", {"Retry-After": "7"})
        elif fault in ("hang before", "late"):
            if fault == "late":
                self.server.held.append(form)
            self._hang()
        elif fault in ("500 before", "503 before"):
            self._error(int(fault[:3]), 20500, "Internal server error")
        else:
            self._made(fault, form)

    def _made(self, fault: Fault | None, form: dict[str, str]) -> None:
        message = self.server.make(form)
        if fault == "hang after":
            self._hang()
        elif fault == "cut after":
            self.close_connection = True
            self.connection.close()
        elif fault == "500 after":
            self._error(500, 20500, "Internal server error")
        elif fault == "nonsense":
            self._answer(201, "[" * 200_000)
        elif fault == "endless":
            self._endless()
        else:
            self._answer(201, message)

    def _hang(self) -> None:
        self.server.dealt_with += 1
        self.server.released.wait(20)
        self.close_connection = True

    def _endless(self) -> None:
        self.close_connection = True
        with suppress(OSError):
            self.wfile.write(b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
            while not self.server.released.is_set():
                self.wfile.write(b"x" * 65_536)

    def _allowed(self) -> bool:
        login = base64.b64encode(f"{ACCOUNT}:{self.server.token}".encode()).decode()
        if self.headers.get("Authorization") == f"Basic {login}":
            return True
        self._error(401, 20003, "Authenticate")
        return False

    def _error(self, status: int, code: int, message: str, headers: dict[str, str] | None = None) -> None:
        more = {"code": code, "message": message, "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status}
        self._answer(status, more, headers)

    def _answer(self, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
        body = document.encode() if isinstance(document, str) else json.dumps(document).encode()
        with suppress(OSError):
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)


@contextmanager
def twilio() -> Iterator[TwilioStandIn]:
    """A running stand-in."""
    server = TwilioStandIn()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
