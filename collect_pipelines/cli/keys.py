"""`collect keys`: who may talk to the ingest endpoint."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, get_args

import click

from collect_pipelines.cli.api_key import save_api_key
from collect_pipelines.cli.connection import transaction
from collect_pipelines.cli.options import json_option, organization_option, pass_settings
from collect_pipelines.cli.output import emit, print_json, say
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.store.keys import ApiKey

__all__ = ["command"]

SCOPES = ("ingest", "read", "admin")


@click.group()
def command() -> None:
    """Create, list and revoke API keys."""


@command.command()
@click.argument("name")
@organization_option
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="May be repeated. Default: ingest and read.")
@click.option("--expires-days", type=click.IntRange(min=1), help="The key stops working after so many days. Default: never.")
@click.option("--save", is_flag=True, help="Also keep it in the data folder, for `collect send` and others on this machine.")
@json_option
@pass_settings
def create(
    settings: Settings, name: str, organization: str, scopes: tuple[str, ...], expires_days: int | None, save: bool, as_json: bool
) -> None:
    """Create a key and print it: this is the only time it is shown."""
    expires_at = datetime.now(UTC) + timedelta(days=expires_days) if expires_days else None
    with transaction(settings) as connection:
        from collect_pipelines.store.keys import Scope, create_key
        from collect_pipelines.store.organizations import ensure_organization

        granted: frozenset[Scope] = frozenset(scope for scope in get_args(Scope) if scope in (scopes or ("ingest", "read")))
        ensure_organization(connection, organization)
        created = create_key(connection, organization, name, granted, expires_at)
    if save:
        say(f"Kept in {save_api_key(settings, created.text)}.")
    if as_json:
        print_json({"key_id": created.key_id, "key": created.text, "name": name, "scopes": sorted(granted), "expires_at": expires_at})
        return
    click.echo(created.text)
    say("Store it now: it can't be shown again.")


@command.command("list")
@click.option("--organization", help="Slug of the organization. Default: all.")
@json_option
@pass_settings
def list_command(settings: Settings, organization: str | None, as_json: bool) -> None:
    """List the keys; the keys themselves are not kept, only how they begin."""
    with transaction(settings) as connection:
        from collect_pipelines.store.keys import list_keys

        keys = list_keys(connection, organization)
    rows = [
        (key.key_id, key.name, key.prefix + "…", key.organization, " ".join(sorted(key.scopes)), _state(key), key.last_used_at)
        for key in keys
    ]
    emit(
        {"keys": keys},
        as_json=as_json,
        headings=("id", "name", "begins", "organization", "scopes", "state", "last used"),
        rows=rows,
        empty="There are no keys. Next: collect keys create NAME",
    )


@command.command()
@click.argument("key_id", type=int)
@json_option
@pass_settings
def revoke(settings: Settings, key_id: int, as_json: bool) -> None:
    """Revoke a key by its id (see `collect keys list`); running servers notice within seconds."""
    with transaction(settings) as connection:
        from collect_pipelines.store.keys import revoke_key

        revoke_key(connection, key_id)
    if as_json:
        print_json({"key_id": key_id, "revoked": True})
    else:
        say(f"Key {key_id} is revoked.")


def _state(key: "ApiKey") -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
        return "expired"
    return "active"
