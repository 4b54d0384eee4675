"""What `collect doctor` finds about connected accounts: before a delivery needs one and is blocked."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from collect_pipelines.cli.diagnosis import Diagnosis
from collect_pipelines.errors import Blocked
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.store.database import Database

__all__ = ["connection_diagnoses"]

LOOPBACK = ("http://127.0.0.1", "http://localhost", "http://[::1]")


def connection_diagnoses(database: "Database", settings: Settings) -> Iterator[Diagnosis]:
    """Accounts to be connected anew or without credentials, those that integrations name and nobody connected; nothing when all is well."""
    from collect_pipelines.store.connections import connect_command, connections_named, list_connections
    from collect_pipelines.store.integrations import list_integrations
    from collect_pipelines.store.secrets import list_secrets

    with database.begin() as connection:
        found = list_connections(connection)
        integrations = list_integrations(connection)
        sealed = {(one.organization, one.name) for one in list_secrets(connection)}
    there = {(one.organization, one.name) for one in found}
    for integration in integrations:
        for name in connections_named(json.dumps(integration.config)):
            if (integration.organization, name) not in there:
                detail = f"its account connection:{name} is not connected"
                yield Diagnosis(f"integration {integration.name}", "broken", detail, connect_command(name, integration.organization))
    broken = [one for one in found if one.state == "reconnect_needed" or (one.organization, one.secret) not in sealed]
    for one in broken:
        detail = one.reason or "its sealed credentials are gone"
        yield Diagnosis(f"connection {one.name}", "broken", detail, connect_command(one.name, one.organization, one.kind))
    if found and not broken:
        yield Diagnosis("connections", "ok", f"{len(found)}, none has to be connected anew")
    if any(one.kind == "google_user" for one in found):
        yield from _client(settings)


def _client(settings: Settings) -> Iterator[Diagnosis]:
    """People connected accounts: the next one needs the OAuth client too."""
    from collect_pipelines.destinations.google_sheets.account.consent import client_of
    from collect_pipelines.store.secret_texts import oauth_client_text

    try:
        client_of(oauth_client_text(settings))
    except Blocked as exc:
        yield Diagnosis("oauth client", "broken", exc.message, exc.fix)
        return
    base = settings.public_base
    if not (base.startswith(("https://", *LOOPBACK))):
        detail = f"{base} is neither https nor this machine: Google sends nobody back there"
        yield Diagnosis("oauth client", "note", detail, "Set COLLECT_PUBLIC_URL to the https address of the ingest endpoint.")
