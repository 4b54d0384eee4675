"""From a reference in a configuration to the secret itself: `env:NAME`, `file:PATH` or `stored:NAME`."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy import Connection

from collect_pipelines.errors import Blocked, ConfigInvalid, NotFound
from collect_pipelines.settings import Settings, environment_secret
from collect_pipelines.store.organizations import organization_id_of
from collect_pipelines.store.secrets import read_secret
from collect_pipelines.store.vault import Vault

__all__ = ["secret_text"]

MAX_SECRET_BYTES = 1_000_000  # a credentials file has a few kilobytes; the rest is a wrong path


def secret_text(begin: Callable[[], AbstractContextManager[Connection]], settings: Settings, organization: str, reference: str) -> str:
    """
    The secret. Raises Blocked naming the reference when it is missing.

    begin: opens a transaction; only stored secrets need one.
    """
    scheme, _, name = reference.partition(":")
    if scheme not in ("env", "file", "stored") or not name:
        # Promise 10: not shown, it may be the secret itself
        raise Blocked("A secret of the configuration is no reference.", fix="Write it as env:NAME, file:PATH or stored:NAME.")
    if scheme == "stored":
        return _stored(begin, settings, organization, name)
    value = environment_secret(name) if scheme == "env" else _in_file(name)
    if value is None:
        raise Blocked(f"The secret {reference} is missing or can't be read.", fix=_fix(scheme, name))
    return value


def _stored(begin: Callable[[], AbstractContextManager[Connection]], settings: Settings, organization: str, name: str) -> str:
    try:
        with begin() as connection:
            owner = organization_id_of(connection, organization)
            return read_secret(connection, Vault.from_settings(settings), owner, name)
    except (NotFound, ConfigInvalid) as exc:
        raise Blocked(exc.message, fix=exc.fix or f"collect secrets set {name}") from exc


def _in_file(path: str) -> str | None:
    try:
        with Path(path).expanduser().open(encoding="utf-8") as file:
            return file.read(MAX_SECRET_BYTES).strip() or None
    except (OSError, ValueError):
        return None


def _fix(scheme: str, name: str) -> str:
    if scheme == "env":
        return f"Set the environment variable {name} for the workers and restart them."
    return f"Put the secret into {name} and let the workers' account read it."
