"""From a reference in a configuration to the secret itself: `env:NAME`, `file:PATH`, `stored:NAME` or `connection:NAME`."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from sqlalchemy import Connection

from collect_pipelines.errors import Blocked, ConfigInvalid, NotFound
from collect_pipelines.model import RECONNECT_NEEDED
from collect_pipelines.settings import Settings, environment_secret
from collect_pipelines.store.connections import ConnectedAccount, connect_command, find_connection, secret_in_use
from collect_pipelines.store.organizations import organization_id_of
from collect_pipelines.store.secrets import OF_CONNECTION, read_secret
from collect_pipelines.store.vault import Vault

__all__ = ["credentials_of", "oauth_client_text", "secret_text"]

NO_CREDENTIALS = "google_sheets.no_credentials"
MAX_SECRET_BYTES = 1_000_000  # a credentials file has a few kilobytes; the rest is a wrong path


def secret_text(begin: Callable[[], AbstractContextManager[Connection]], settings: Settings, organization: str, reference: str) -> str:
    """
    The secret. Raises Blocked naming the reference when it is missing.

    begin: opens a transaction; only stored secrets and connections need one.
    """
    scheme, _, name = reference.partition(":")
    if scheme not in ("env", "file", "stored", "connection") or not name:
        # Promise 10: not shown, it may be the secret itself
        raise Blocked("A secret of the configuration is no reference.", fix="Write it as env:NAME, file:PATH or stored:NAME.")
    if scheme == "stored":
        return _stored(begin, settings, organization, name)
    if scheme == "connection":
        return _connected(begin, settings, organization, name)
    return _outside(reference)


def oauth_client_text(settings: Settings) -> str:
    """The JSON of the installation's OAuth client: the local Sheets server's own by default. Raises Blocked naming the setting."""
    reference = settings.google_oauth_client
    if reference is None and settings.uses_local_sheets:
        return _local_client(settings.data_dir / "sheets" / "oauth-client.json")
    if reference is None or reference.partition(":")[0] not in ("env", "file"):
        raise Blocked(
            "This installation has no OAuth client for Google." if reference is None else "COLLECT_GOOGLE_OAUTH_CLIENT is no reference.",
            fix="Set COLLECT_GOOGLE_OAUTH_CLIENT to file:PATH or env:NAME of the client's JSON: docs/google-connect.md.",
            problem=NO_CREDENTIALS,
        )
    return _outside(reference)


def credentials_of(connection: Connection, settings: Settings, organization_id: int, account: ConnectedAccount) -> str:
    """What a connection keeps, also one that Google has refused. Raises NotFound, and ConfigInvalid when the key file can't open it."""
    text = read_secret(connection, Vault.from_settings(settings), organization_id, account.secret)
    return _with_present_client(text, settings) if account.kind == "google_user" else text


def _refuse_a_connections(connection: Connection, organization_id: int, name: str) -> None:
    """What people granted is for writing to Google, and not to be sent on in a header."""
    if name.startswith(OF_CONNECTION) and secret_in_use(connection, organization_id, name):
        connected = name.removeprefix(OF_CONNECTION)
        raise Blocked(
            f"stored:{name} is what the connection {connected} keeps.", fix=f"Write connection:{connected} where an account is meant."
        )


def _outside(reference: str) -> str:
    scheme, _, name = reference.partition(":")
    value = environment_secret(name) if scheme == "env" else _in_file(name)
    if value is None:
        raise Blocked(f"The secret {reference} is missing or can't be read.", fix=_fix(scheme, name))
    return value


def _local_client(path: Path) -> str:
    text = _in_file(str(path))
    if text is None:
        fix = "Start it once: collect up. Or connect to Google: docs/google-connect.md."
        raise Blocked(f"The local Sheets server has no OAuth client yet: {path} is not there.", fix=fix, problem=NO_CREDENTIALS)
    return text


def _connected(begin: Callable[[], AbstractContextManager[Connection]], settings: Settings, organization: str, name: str) -> str:
    try:
        with begin() as connection:
            owner = organization_id_of(connection, organization)
            # Promise 10: only the organization's own
            account = find_connection(connection, owner, name)
            _refuse_ended(account)
            return credentials_of(connection, settings, owner, account)
    except (NotFound, ConfigInvalid) as exc:
        fix = f"Connect it: {connect_command(name, organization)}"
        raise Blocked(exc.message, fix=fix, problem=NO_CREDENTIALS) from exc


def _refuse_ended(account: ConnectedAccount) -> None:
    """Google has refused it before: it isn't asked again."""
    if account.state == "reconnect_needed":
        raise Blocked(
            account.reason or f"Reconnect needed: Google no longer accepts the connection {account.name}. The backlog is kept.",
            fix=f"Connect again: {connect_command(account.name, account.organization, account.kind)}. Then it goes on by itself.",
            problem=RECONNECT_NEEDED,
        )


def _with_present_client(text: str, settings: Settings) -> str:
    """The credentials with the client secret as it is today: it may have been changed at Google since the account was connected."""
    try:
        document, client = json.loads(text), json.loads(oauth_client_text(settings))
        present = client.get("web") or client.get("installed") or client
        if present["client_id"] == document["client_id"]:
            document["client_secret"] = present["client_secret"]
    except (Blocked, ValueError, KeyError, AttributeError, TypeError):
        return text  # what was sealed with it may still do, and else Google says so
    return json.dumps(document)


def _stored(begin: Callable[[], AbstractContextManager[Connection]], settings: Settings, organization: str, name: str) -> str:
    try:
        with begin() as connection:
            owner = organization_id_of(connection, organization)
            _refuse_a_connections(connection, owner, name)
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
