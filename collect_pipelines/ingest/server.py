"""The ingest server: one process or several sharing one port, each an event loop with its own writer."""

import asyncio
import logging
import os
import resource
import socket
from types import FrameType

import uvicorn

from collect_pipelines.errors import PortTaken
from collect_pipelines.ingest.app import IngestApp, make_services
from collect_pipelines.ingest.protocol import MAX_CONNECTIONS, BoundedProtocol
from collect_pipelines.ingest.workers import Workers
from collect_pipelines.settings import Settings, setting_name
from collect_pipelines.store.writer import Writer
from collect_pipelines.telemetry.ingest_metrics import IngestMetrics, share_between_workers
from collect_pipelines.telemetry.logs import configure_logging, get_logger

__all__ = ["bind", "run_worker", "serve"]

BACKLOG = 2_048  # connections the kernel keeps while the event loop is busy
SPARE_DESCRIPTORS = 100  # for Postgres, files and pipes, besides the connections
KEEP_ALIVE_SECONDS = 75  # longer than a gateway's usual 60 s, so that it is the gateway who closes
GRACE_SECONDS = 8  # for requests in flight after the port is closed; with the drain time below 10 s in all

log = get_logger(__name__)


def serve(settings: Settings, database_url: str) -> None:
    """
    Serves until SIGTERM or SIGINT, then answers /readyz with 503, finishes what it has begun, and returns.

    Raises PortTaken at once when the port can't be bound. Postgres may be away: requests are answered 503 until it is back.
    """
    configure_logging(settings)
    listener = bind(settings)
    if settings.ingest_workers > 1:
        share_between_workers(settings.data_dir / "ingest-metrics")
        Workers(run_worker, (settings, database_url, listener), settings.ingest_workers).run()
    else:
        run_worker(settings, database_url, listener)


def bind(settings: Settings) -> socket.socket:
    """The listening socket. Raises PortTaken saying which setting to change."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    # As every server does: connections of an earlier run that linger in TIME_WAIT don't count.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.ingest_port))
        listener.listen(BACKLOG)
    except OSError as exc:
        listener.close()
        name = setting_name("ingest_port")
        raise PortTaken(
            f"The ingest endpoint can't bind port {settings.ingest_port} on {settings.host}: {exc.strerror or exc}.",
            fix=f"Stop the process that uses it, or set {name} (or {setting_name('host')}).",
        ) from exc
    return listener


def run_worker(settings: Settings, database_url: str, listener: socket.socket, *, group_commit: bool = True) -> None:
    """One worker, from start to stop. `group_commit=False` commits every response alone: the benchmark's baseline."""
    configure_logging(settings)
    _allow_descriptors()
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    metrics = IngestMetrics()
    app = IngestApp(make_services(database_url, Writer(database_url, group_commit=group_commit), metrics, settings))
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    port = listener.getsockname()[1]
    log.info("ingest_started", msg=f"Serving on {settings.host}:{port}.", port=port, worker=os.getpid())
    _Server(config, app, settings.ingest_drain_seconds).run(sockets=[listener])
    log.info("ingest_stopped", msg="Every request that had begun was answered.", worker=os.getpid())


def _allow_descriptors() -> None:
    """Many systems begin with 1,024 open files and let a process raise that itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + SPARE_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


class _Server(uvicorn.Server):
    """Tells gateways to turn away before it closes the port."""

    def __init__(self, config: uvicorn.Config, app: IngestApp, drain_seconds: float) -> None:
        super().__init__(config)
        self._app = app
        self._drain_seconds = drain_seconds
        self._draining_since: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins the drain, a second one ends it."""
        if self._app.services.stopping:
            self.should_exit = True
        self._app.services.stopping = True

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        if self._app.services.stopping and not self.should_exit:
            now = asyncio.get_running_loop().time()
            self._draining_since = self._draining_since or now
            self.should_exit = now - self._draining_since >= self._drain_seconds
        return await super().on_tick(counter)
