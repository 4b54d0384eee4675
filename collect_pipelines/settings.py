"""The only reader of the environment: every setting, once, into one frozen value."""

# A field per line keeps the list readable as a table; RUF009 does not know that `_setting` returns a dataclass field.
# ruff: noqa: RUF009

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from collect_pipelines.errors import ConfigInvalid
from collect_pipelines.plugins import OWN_DISTRIBUTION

__all__ = ["Settings", "environment_secret", "setting_name", "setting_text"]

PREFIX = "COLLECT_"
GOOGLE_TOKEN = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
GOOGLE_AUTHORIZE = "https://accounts.google.com/o/oauth2/v2/auth"
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - told apart, not bound: "everywhere" is no address to open


def _setting(description: str, default: Any, secret: bool = False) -> Any:
    return field(default=default, metadata={"description": description, "secret": secret})


@dataclass(frozen=True, slots=True)
class Settings:
    """Every field is read from `COLLECT_<FIELD IN CAPITALS>`; docs/settings.md is generated from here."""

    data_dir: Path = _setting("Folder of everything the product keeps on disk (embedded Postgres, warehouse file, logs).", Path(".collect"))
    database_url: str | None = _setting(
        "Postgres 14-18 to use, e.g. postgresql://user@host/db. Unset: the embedded Postgres in the data folder.", None, secret=True
    )
    host: str = _setting(
        "Address ingest and metrics bind to; keep it on loopback unless a gateway stands before it. Pages without a login stay there.",
        "127.0.0.1",
    )
    ingest_port: int = _setting("Port of the ingest endpoint.", 8080)
    ingest_workers: int = _setting("Ingest processes sharing the port.", 1)
    ingest_drain_seconds: float = _setting("Seconds /readyz answers 503 before a stopping ingest process closes its port.", 0.5)
    trusted_plugins: tuple[str, ...] = _setting(
        "Distributions, separated by commas, whose checks run inside the ingest process if they claim to be quick (`bounded`). "
        "All others run in processes of their own.",
        (OWN_DISTRIBUTION,),
    )
    check_processes: int = _setting("Processes per kind of isolated check and ingest worker.", 2)
    check_memory_mb: int = _setting("MiB a process of checks may use before it is replaced; twice as much it can't get.", 512)
    check_pause_seconds: float = _setting("Seconds a check that hung or crashed in three of ten attempts is left alone.", 30.0)
    postgres_port: int = _setting("Port of the embedded Postgres.", 5544)
    dagster_port: int = _setting("Port of the Dagster web server.", 3000)
    code_server_port: int = _setting("Port of Dagster's code server.", 4266)
    sheets_port: int = _setting("Port of the local Sheets server.", 8090)
    metrics_port: int = _setting("Port of the pipeline's metrics exporter.", 9108)
    sheets_base_url: str | None = _setting(
        "Base URL of the Sheets API. Unset: the local Sheets server. For Google: https://sheets.googleapis.com", None
    )
    drive_base_url: str | None = _setting(
        "Base URL of the Drive API. Unset: the local Sheets server. For Google: https://www.googleapis.com", None
    )
    oauth_token_url: str | None = _setting(
        "OAuth token endpoint. Unset: the local Sheets server. For Google: https://oauth2.googleapis.com/token", None
    )
    oauth_authorize_url: str | None = _setting(
        "Page where people grant access to their Google account. Unset: the local Sheets server's, or Google's when the token endpoint is "
        "Google's. For Google: https://accounts.google.com/o/oauth2/v2/auth",
        None,
    )
    google_oauth_client: str | None = _setting(
        "`file:PATH` or `env:NAME` of the JSON that Google Cloud gives for an OAuth client of the type Web application. Unset: the local "
        "Sheets server's.",
        None,
    )
    public_url: str | None = _setting(
        "Base URL under which browsers reach the ingest endpoint, e.g. https://collect.example.org; Google sends people back there. "
        "Unset: host and port of the endpoint.",
        None,
    )
    sheets_writes_per_minute: int = _setting("Sheets write requests per minute and account; Google grants 60.", 60)
    sheets_project_writes_per_minute: int = _setting("Sheets write requests per minute and project; Google grants 300.", 300)
    sheets_cells_per_spreadsheet: int = _setting("Cells a spreadsheet may have, empty ones count; Google allows 10,000,000.", 10_000_000)
    secrets_key_file: Path | None = _setting(
        "File with the keys of stored secrets, readable by the workers' account only; a copy of it belongs in a safe place. "
        "Unset: secrets.key in the data folder.",
        None,
    )
    warehouse_path: Path | None = _setting("DuckDB file of the default warehouse. Unset: warehouse.duckdb in the data folder.", None)
    lane_linger_seconds: float = _setting("A drain run ends after so many idle seconds.", 600.0)
    lane_lifetime_seconds: float = _setting("A drain run hands over to its successor after so many seconds.", 1800.0)
    api_key: str | None = _setting(
        "API key that `collect send` and `collect responses submit` use. Unset: the one kept in the data folder.", None, secret=True
    )
    dagster_keep_days: int = _setting("Dagster's runs, events and logs are removed after so many days; the newest per form stay.", 14)
    alert_webhook_url: str | None = _setting("Where alerts are posted as JSON. Unset: alerts are only recorded.", None, secret=True)
    alert_late_seconds: float = _setting("A response undelivered for so long raises the lateness alert.", 300.0)
    log_format: str = _setting("json or text.", "json")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """Reads `COLLECT_*`; raises ConfigInvalid naming the variable when a value can't be used."""
        source = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for spec in fields(cls):
            raw = source.get(setting_name(spec.name))
            if raw is None or raw == "":
                continue
            values[spec.name] = _convert(setting_name(spec.name), raw, spec.type)
        return cls(**values)

    def as_environment(self) -> dict[str, str]:
        """The variables that make another process read the same settings; it holds secrets."""
        values = {setting_name(spec.name): getattr(self, spec.name) for spec in fields(self)}
        return {name: setting_text(value) for name, value in values.items() if value is not None}

    @property
    def local_sheets_url(self) -> str:
        """Base URL of the local Sheets server of this installation: its pages have no login, so it stays on loopback."""
        return f"http://127.0.0.1:{self.sheets_port}"

    @property
    def uses_local_sheets(self) -> bool:
        """True while no Sheets base URL is set: the embedded default."""
        return self.sheets_base_url is None

    @property
    def authorize_url(self) -> str:
        """Where people grant access to their Google account."""
        if self.oauth_authorize_url is not None:
            return self.oauth_authorize_url
        return GOOGLE_AUTHORIZE if self.oauth_token_url == GOOGLE_TOKEN else f"{self.local_sheets_url}/o/oauth2/v2/auth"

    @property
    def public_base(self) -> str:
        """Base URL of the ingest endpoint for a browser, without a slash at the end."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        host = "127.0.0.1" if self.host in EVERYWHERE else self.host
        return f"http://[{host}]:{self.ingest_port}" if ":" in host else f"http://{host}:{self.ingest_port}"

    @property
    def secrets_path(self) -> Path:
        """File with the keys of stored secrets."""
        return self.secrets_key_file or self.data_dir / "secrets.key"

    @property
    def duckdb_path(self) -> Path:
        """File of the default warehouse."""
        return self.warehouse_path or self.data_dir / "warehouse.duckdb"


def setting_name(field_name: str) -> str:
    """The environment variable of a field: `ingest_port` -> `COLLECT_INGEST_PORT`."""
    return PREFIX + field_name.upper()


def setting_text(value: Any) -> str:
    """A value as it is written in the environment."""
    return ",".join(value) if isinstance(value, tuple) else str(value)


def environment_secret(name: str) -> str | None:
    """The value of a variable that a secret reference `env:NAME` points to; None when it is unset or empty."""
    return os.environ.get(name) or None


def _convert(name: str, raw: str, wanted: Any) -> Any:
    text = str(wanted)
    try:
        if wanted is int:
            return int(raw)
        if wanted is float:
            return float(raw)
    except ValueError as exc:
        raise ConfigInvalid(f"{name} is {raw!r}, which is not a number.", fix=f"Set {name} to a number or unset it.") from exc
    if "tuple" in text:
        return tuple(part.strip() for part in raw.split(",") if part.strip())
    return Path(raw) if "Path" in text else raw
