"""BigQuery and Snowflake as warehouse. Their packages are extras: dlt names them, and so does the error when they are missing."""

import importlib.util
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import dlt
from dlt.common.json import json
from dlt.common.schema import Schema

from collect_pipelines.destinations.warehouse.files import private_files
from collect_pipelines.destinations.warehouse.pipelines import Pipelines, quiet
from collect_pipelines.destinations.warehouse.server_problems import explained
from collect_pipelines.destinations.warehouse.server_session import ServerSession
from collect_pipelines.errors import Blocked

__all__ = ["CloudWarehouse", "cloud_warehouse"]

Cloud = Literal["bigquery", "snowflake"]

PACKAGES = {"bigquery": "google.cloud.bigquery", "snowflake": "snowflake.connector"}
SERVICE_ACCOUNT = ("project_id", "client_email", "private_key")


@cache
def cloud_warehouse(kind: Cloud, secret: str, location: str | None, dataset: str, folder: Path) -> "CloudWarehouse":
    """The one object of this process for the dataset. Raises Blocked when the credentials or the packages are of no use."""
    place, credentials = _bigquery(secret) if kind == "bigquery" else _snowflake(secret)
    if not _installed(PACKAGES[kind]):
        raise Blocked(
            f"Loading into {kind} needs packages that are not installed.",
            fix=f'Install them where the workers run, then resume: pip install "dlt[{kind}]"',
        )
    options = {"location": location} if location else {}
    return CloudWarehouse(place, dataset, folder, lambda: getattr(dlt.destinations, kind)(credentials=credentials, **options))


class CloudWarehouse:
    """Implements `session.SqlWarehouse`. Made by `cloud_warehouse`."""

    def __init__(self, place: str, dataset: str, folder: Path, destination: Any) -> None:
        self.place, self.dataset = place, dataset
        self._destination = destination
        self._turn = threading.Lock()
        self.pipelines = Pipelines(folder / dataset, dataset, destination)

    @contextmanager
    def writing(self) -> Iterator[ServerSession]:
        """Makes this thread the only one of this process that loads into the dataset; among processes the leases do."""
        with private_files(), self.explained(), self._turn:
            quiet()
            destination = self._destination()
            client = destination.client(Schema(self.dataset), destination.spec()._bind_dataset_name(self.dataset))
            with client.sql_client:
                yield ServerSession(client, self.dataset)

    def explained(self) -> AbstractContextManager[None]:
        """Says what went wrong as what to do next."""
        return explained(self.place)


def _bigquery(secret: str) -> tuple[str, dict[str, Any]]:
    """Place and dlt's credentials from the JSON key of a service account."""
    key = _json(secret)
    missing = [name for name in SERVICE_ACCOUNT if not key.get(name)] if key else list(SERVICE_ACCOUNT)
    if missing or not key:
        raise Blocked(
            f"The secret behind `credentials` is no JSON key of a Google service account: it lacks {', '.join(missing)}.",
            fix="Create a key of type JSON for a service account with the roles BigQuery Data Editor, BigQuery Job User and "
            "BigQuery Read Session User, and let `credentials` point to it.",
        )
    return f"BigQuery project {key['project_id']}", {name: key[name] for name in SERVICE_ACCOUNT}


def _snowflake(secret: str) -> tuple[str, str | dict[str, Any]]:
    """Place and dlt's credentials from a connection URL, or from JSON with the same facts (needed for a private key)."""
    found = _json(secret)
    if found is None:
        url = urlsplit(secret) if secret.startswith("snowflake://") else urlsplit("")
        found = {"host": url.hostname, "username": url.username, "password": url.password, "database": url.path.strip("/")}
        credentials: str | dict[str, Any] = secret
    else:
        credentials = found
    missing = [name for name in ("host", "username", "database") if not found.get(name)]
    if not (found.get("password") or found.get("private_key") or found.get("private_key_path")):
        missing.append("password or private_key")
    if missing:
        raise Blocked(
            f"The secret behind `credentials` does not tell how to reach Snowflake: it lacks {', '.join(missing)}.",
            fix="Write it as snowflake://USER:PASSWORD@ACCOUNT/DATABASE?warehouse=WAREHOUSE&role=ROLE, or as JSON with host (the "
            "account), database, username, private_key, warehouse and role.",
        )
    return f"{found['database']} in Snowflake account {found['host']}", credentials


def _json(secret: str) -> dict[str, Any] | None:
    try:
        found = json.loads(secret)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _installed(package: str) -> bool:
    try:
        return importlib.util.find_spec(package) is not None
    except ModuleNotFoundError:
        return False
