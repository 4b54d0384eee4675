"""The server as a program and as a part of another one: binding, starting, stopping."""

import contextlib
import fcntl
import gc
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from collect_pipelines.errors import Conflict, PortTaken
from collect_pipelines.local.ports import require_free
from collect_pipelines.local.sheets.app import TRANSPORT, App
from collect_pipelines.local.sheets.limits import Limits, Switches
from collect_pipelines.local.sheets.service import Service

__all__ = ["Running", "data_lock", "listen", "serve", "started"]

PORT_SETTING = "COLLECT_SHEETS_PORT (or --port)"
BACKLOG = 128  # connections the system holds while we are busy
STOP_SECONDS = 3  # for answers under way; streams end at once
# Objects made before Python looks for garbage, and how often it looks at older ones. A batch of 2,000 x 30 cells makes 300,000 that die
# at once without its help; looking after every 700 took a third of the time of a batch.
GARBAGE_THRESHOLDS = (200_000, 20, 100)
KEEP_ALIVE_SECONDS = 75  # longer than a client's pause between batches, so that it need not connect anew
logger = logging.getLogger(__name__)


class Protocol(HttpToolsProtocol):
    """Puts the connection into the scope, so that a fault can cut it."""

    def on_message_begin(self) -> None:
        """Called by the parser at the start of a request."""
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[TRANSPORT] = self.transport


class Server(uvicorn.Server):
    """Tells the application first when it begins to stop: live streams would hold it up."""

    def __init__(self, config: uvicorn.Config, app: App) -> None:
        """Serves `app`."""
        super().__init__(config)
        self._app = app

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """SIGTERM and SIGINT stop the server; unlike uvicorn's own, an orderly stop then ends the program with 0, not by the signal."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends streams, then stops as usual."""
        self._app.stop()
        await super().shutdown(sockets)


class Running:
    """A server in a thread of this process."""

    def __init__(self, service: Service, server: Server, thread: threading.Thread) -> None:
        self.service = service
        self._server = server
        self._thread = thread

    def stop(self) -> None:
        """Stops and waits."""
        self._server.should_exit = True
        self._thread.join()


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; raises PortTaken naming who holds the port. Port 0 takes any free one."""
    if port:
        require_free(port, PORT_SETTING, host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(BACKLOG)
    except OSError as exc:
        bound.close()
        reason = exc.strerror or str(exc)
        raise PortTaken(f"Port {port} on {host} can't be used: {reason}.", fix=f"Set {PORT_SETTING} to another port.") from exc
    bound.setblocking(False)
    return bound


@contextmanager
def data_lock(data: Path) -> Iterator[None]:
    """Holds the data folder; raises Conflict when another server does, since two would overwrite each other."""
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            text = f"Another local Sheets server uses the folder {data}."
            raise Conflict(text, fix="Stop it, or give this one another data folder.") from exc
        yield
    finally:
        os.close(descriptor)


def serve(
    data: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8090,
    base_url: str | None = None,
    limits: Limits | None = None,
    switches: Switches | None = None,
) -> None:
    """
    Serves until SIGTERM or SIGINT.

    base_url: how clients reach the server; named in the credentials files. Unset: the address bound to.
    Raises PortTaken or Conflict before anything is served.
    """
    with data_lock(data), contextlib.closing(listen(host, port)) as bound:
        service = Service(data, base_url or _base_url(bound), limits, switches)
        app = App(service)
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        logger.info("local Sheets server on %s", service.base_url)
        try:
            _server(app).run(sockets=[bound])
        finally:
            app.close()


@contextmanager
def started(
    data: Path, *, host: str = "127.0.0.1", port: int = 0, limits: Limits | None = None, switches: Switches | None = None
) -> Iterator[Running]:
    """A server in a thread of this process for the length of the block; it answers when the block begins."""
    with data_lock(data), contextlib.closing(listen(host, port)) as bound:
        service = Service(data, _base_url(bound), limits, switches)
        app = App(service)
        server = _server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="local-sheets", daemon=True)
        thread.start()
        running = Running(service, server, thread)
        try:
            # The socket listens already: whoever connects now is answered as soon as the loop turns.
            yield running
        finally:
            running.stop()
            app.close()


def _server(app: App) -> Server:
    config = uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        backlog=BACKLOG,
    )
    return Server(config, app)


def _base_url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - told apart, not bound: "everywhere" is no address to call
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
