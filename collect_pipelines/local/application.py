"""The Dagster application around this library: where its checkout lies, and the instance folder made from it."""

import os
from dataclasses import dataclass
from pathlib import Path

import collect_pipelines
from collect_pipelines.errors import ConfigInvalid
from collect_pipelines.local.dagster_storage import DAGSTER_URL_VARIABLE, dagster_url
from collect_pipelines.settings import Settings, setting_name

__all__ = ["Application", "child_environment", "find_application"]

LOCATION = "collect_pipelines"
DEFINITIONS = Path("assets", "definitions.py")

WORKSPACE = """\
# Written by `collect up` at every start: Dagster's processes share one code server.
load_from:
  - grpc_server:
      host: {host}
      port: {port}
      location_name: {location}
"""

# Nothing here calls home, whatever the caller's environment says.
QUIET = {"DAGSTER_DISABLE_TELEMETRY": "1", "RUNTIME__DLTHUB_TELEMETRY": "false", "GX_ANALYTICS_ENABLED": "false", "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True, slots=True)
class Application:
    """A checkout (or the image's copy) with `workspace.yaml`, `dagster.yaml` and `assets/`."""

    root: Path

    @property
    def definitions(self) -> Path:
        """The file Dagster loads."""
        return self.root / DEFINITIONS

    def prepare(self, home: Path, host: str, code_server_port: int) -> Path:
        """Makes DAGSTER_HOME with the repository's dagster.yaml; returns the workspace file that names the code server."""
        home.mkdir(parents=True, exist_ok=True)
        (home / "dagster.yaml").write_text((self.root / "dagster.yaml").read_text("utf-8"), "utf-8")
        workspace = home / "workspace.yaml"
        workspace.write_text(WORKSPACE.format(host=host, port=code_server_port, location=LOCATION), "utf-8")
        return workspace


def find_application(start: Path | None = None) -> Application:
    """The checkout this library belongs to, else the one around `start` (the current folder). Raises ConfigInvalid."""
    here = (start or Path.cwd()).resolve()
    for folder in (Path(collect_pipelines.__file__).resolve().parents[1], here, *here.parents):
        if all((folder / name).is_file() for name in ("workspace.yaml", "dagster.yaml", DEFINITIONS)):
            return Application(folder)
    raise ConfigInvalid(
        "The Dagster application (workspace.yaml, dagster.yaml, assets/) is not here: the installed package is the library only.",
        fix="Run the command inside a checkout of collect-pipelines, or use its image.",
    )


def child_environment(settings: Settings, database_url: str, home: Path) -> dict[str, str]:
    """The environment of a process of ours: this one's, the settings, Dagster's home, and no telemetry. It holds secrets."""
    # Passed on, not read: what the settings don't know (PATH, proxies, certificates) belongs to the child as to us.
    environment = os.environ | settings.as_environment() | QUIET
    environment |= {
        setting_name("database_url"): database_url,
        DAGSTER_URL_VARIABLE: dagster_url(database_url),
        "DAGSTER_HOME": str(home),
    }
    # Compiled byte code makes every Dagster run seconds cheaper.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment
