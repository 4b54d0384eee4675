"""Receivers for tests: real servers on loopback, plain or with TLS from an authority of our own, and a resolver that lies."""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "receiver.example"


@dataclass(frozen=True)
class Request:
    """What a receiver was sent."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    connection: int
    """Which connection it came on."""


@dataclass(frozen=True)
class Reply:
    """What a receiver says."""

    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    """True: the connection is closed without a word."""


class Receiver:
    """A server that keeps what it was sent and answers what `reply` says."""

    def __init__(self, reply: Callable[[Request], Reply] = lambda request: Reply(), tls: ssl.SSLContext | None = None) -> None:
        self.reply, self.requests, self.connections = reply, list[Request](), 0
        self.failures: list[BaseException] = []
        self._lock = threading.Lock()
        self._server = _server(self)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://{HOST if tls else '127.0.0.1'}:{self.port}/hook?token=s3cret"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def take(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            return self.reply(request)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Cut connections and broken handshakes are part of the tests."""


def _server(receiver: Receiver) -> _Server:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            receiver.connections += 1
            self.number = receiver.connections

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = receiver.take(Request(self.command, self.path, headers, body, self.number))
            if reply.cut:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.body))}.items() | reply.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    return _Server(("127.0.0.1", 0), Handler)


@contextmanager
def receiving(reply: Callable[[Request], Reply] = lambda request: Reply(), tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """A receiver for the block."""
    receiver = Receiver(reply, tls)
    try:
        yield receiver
    finally:
        receiver.close()


@contextmanager
def raw_server(handle: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server that speaks whatever `handle` speaks, once per connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stopped = threading.Event()

        def serve() -> None:
            while not stopped.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_handled, args=(handle, connection), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        stopped.set()
        listener.shutdown(socket.SHUT_RDWR)


def _handled(handle: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with connection:
        try:
            handle(connection)
        except OSError:
            return  # the client hung up, which is what most of these tests want


def read_request(connection: socket.socket) -> bytes:
    """The request up to the end of its body of 0 or a few bytes."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65_536)
        if not piece:
            break
        data += piece
    return data


class Resolver:
    """Says one list of addresses after the other, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.asked = list(answers), list[str]()

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@dataclass(frozen=True)
class Authority:
    """A certificate authority of one's own."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    folder: Path

    @classmethod
    def create(cls, folder: Path) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test Authority")])
        builder = _builder(name, name, key.public_key()).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        return cls(builder.add_extension(usage, critical=True).sign(key, hashes.SHA256()), key, folder)

    def trusted(self) -> ssl.SSLContext:
        """For clients."""
        return ssl.create_default_context(cadata=self.certificate.public_bytes(serialization.Encoding.PEM).decode())

    def server(self, *names: str, expired: bool = False) -> ssl.SSLContext:
        """For a server with these names or addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        builder = _builder(subject, self.certificate.subject, key.public_key(), expired=expired)
        alternatives = x509.SubjectAlternativeName([_general(name) for name in names])
        certificate = builder.add_extension(alternatives, critical=False).sign(self.key, hashes.SHA256())
        path = self.folder / f"{names[0]}-{expired}.pem"
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, expired: bool = False) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    start, end = (now - timedelta(days=9), now - timedelta(days=2)) if expired else (now - timedelta(days=1), now + timedelta(days=7))
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return builder.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)


def _general(name: str) -> x509.GeneralName:
    return x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
