"""The processes of `collect up`: how each is started, what it needs first, and how one sees that it works."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from collect_pipelines.local.application import LOCATION, Application
from collect_pipelines.local.ports import require_free
from collect_pipelines.local.probes import answers, dagster_is_ready, listens
from collect_pipelines.settings import Settings, setting_name

__all__ = ["Service", "require_ports", "services", "urls"]

LOOPBACK = "127.0.0.1"  # the pages of Dagster and of the local Sheets have no login: they stay here, whatever COLLECT_HOST says
JSON_LOGS = ("--log-format", "json")  # as our own processes write theirs


@dataclass(frozen=True, slots=True)
class Service:
    """One process."""

    name: str
    arguments: tuple[str, ...]
    """What follows the Python interpreter."""
    ready: Callable[[], bool]
    after: tuple[str, ...] = ()
    """Services that must be ready before this one is started."""


def services(settings: Settings, application: Application, workspace: Path) -> tuple[Service, ...]:
    """All of them, in the order people read about them; Postgres is not among them."""
    ours = (_ingest(settings), _metrics(settings))
    sheets = (_sheets(settings),) if settings.uses_local_sheets else ()
    return (*sheets, *ours, *_dagster(settings, application, workspace))


def require_ports(settings: Settings) -> None:
    """Raises PortTaken for the first port that is not free; the one of Postgres is checked when it starts."""
    for field, host in _ports(settings):
        require_free(getattr(settings, field), setting_name(field), host)


def urls(settings: Settings) -> dict[str, str]:
    """Where a person looks, by name."""
    found = {
        "ingest": f"http://{settings.host}:{settings.ingest_port}",
        "dagster": f"http://{LOOPBACK}:{settings.dagster_port}",
        "metrics": f"http://{settings.host}:{settings.metrics_port}/metrics",
    }
    return {"sheets": settings.local_sheets_url} | found if settings.uses_local_sheets else found


def _ports(settings: Settings) -> list[tuple[str, str]]:
    inner = ["code_server_port", "dagster_port"] + (["sheets_port"] if settings.uses_local_sheets else [])
    return [(field, settings.host) for field in ("ingest_port", "metrics_port")] + [(field, LOOPBACK) for field in inner]


def _sheets(settings: Settings) -> Service:
    place = ("--host", LOOPBACK, "--port", str(settings.sheets_port), "--data", str(settings.data_dir / "sheets"))
    back = ("--redirect-uri", f"{settings.public_base}/google/callback")  # the page where people connect an account
    return Service("sheets", ("-m", "collect_pipelines.local.sheets", *place, *back), lambda: answers(settings.local_sheets_url))


def _ingest(settings: Settings) -> Service:
    url = f"http://{settings.host}:{settings.ingest_port}/readyz"
    return Service("ingest", ("-m", "collect_pipelines.cli", "serve", "ingest"), lambda: answers(url))


def _metrics(settings: Settings) -> Service:
    url = f"http://{settings.host}:{settings.metrics_port}/metrics"
    return Service("metrics", ("-m", "collect_pipelines.cli", "serve", "metrics"), lambda: answers(url))


def _dagster(settings: Settings, application: Application, workspace: Path) -> tuple[Service, ...]:
    port = settings.code_server_port
    page = f"http://{LOOPBACK}:{settings.dagster_port}"
    code = ("--python-file", str(application.definitions), "--working-directory", str(application.root), "--location-name", LOCATION)
    return (
        Service(
            "code-server",
            (
                "-m",
                "dagster",
                "api",
                "grpc",
                "-h",
                LOOPBACK,
                "-p",
                str(port),
                *code,
                *JSON_LOGS,
                "--use-python-environment-entry-point",
            ),
            lambda: listens(LOOPBACK, port),
        ),
        Service(
            "dagster-webserver",
            ("-m", "dagster_webserver", "-h", LOOPBACK, "-p", str(settings.dagster_port), "-w", str(workspace), *JSON_LOGS),
            lambda: answers(f"{page}/server_info"),
            after=("code-server",),
        ),
        # The daemon loads the workspace once a minute only: it must find the code server at its first look.
        Service(
            "dagster-daemon",
            ("-m", "dagster._daemon", "run", "-w", str(workspace), *JSON_LOGS),
            lambda: dagster_is_ready(page),
            after=("code-server",),
        ),
    )
