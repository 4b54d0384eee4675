"""`collect connections`: Google accounts that an organization's integrations write as; no command shows a credential."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collect_pipelines.cli.connection import open_database, transaction
from collect_pipelines.cli.options import json_option, organization_option, pass_settings
from collect_pipelines.cli.output import emit, print_facts, print_json, say
from collect_pipelines.errors import Conflict, Invalid
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from collect_pipelines.store.connections import ConnectedAccount

__all__ = ["command"]

MOST_FILE_BYTES = 65_536  # Google's key files have 2,400
KIND_NAMES = {"google_user": "google", "google_service_account": "google-service-account"}


@click.group()
def command() -> None:
    """Connect Google accounts that integrations write as, and look after them."""


@command.group()
def add() -> None:
    """Connect an account, or the same one anew: integrations that waited for it go on."""


@add.command("google")
@click.argument("name")
@organization_option
@json_option
@pass_settings
def add_google(settings: Settings, name: str, organization: str, as_json: bool) -> None:
    """
    Invite a person to connect their Google account: prints a link that works once, for 15 minutes.

    Whoever opens it reads which organization asks for what, and grants it at Google. Send it to nobody else.
    """
    from collect_pipelines.destinations.google_sheets.account.consent import client_of
    from collect_pipelines.store.secret_texts import oauth_client_text

    client_of(oauth_client_text(settings))  # a link that can't work is not given out
    with transaction(settings) as connection:
        link, expires_at = _invited(connection, settings, name, organization)
    if as_json:
        print_json({"name": name, "organization": organization, "link": link, "expires_at": expires_at})
        return
    click.echo(link)
    say(f"Open it in a browser, or send it to the person whose account it is. It works once, until {expires_at:%H:%M} UTC.")
    say(f"Then: collect connections show {name}")


@add.command("google-service-account")
@click.argument("name")
@click.option(
    "--file", "path", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The key as Google Cloud gives it: JSON."
)
@organization_option
@json_option
@pass_settings
def add_service_account(settings: Settings, name: str, path: Path, organization: str, as_json: bool) -> None:
    """Keep a service account's key, sealed, and print the address to share spreadsheets with. The file is not needed afterwards."""
    text, address = _service_account(path)
    with transaction(settings) as connection:
        from collect_pipelines.store.audit import record_audit
        from collect_pipelines.store.connections import connect_account
        from collect_pipelines.store.organizations import ensure_organization
        from collect_pipelines.store.vault import Vault

        owner = ensure_organization(connection, organization)
        vault = Vault.from_settings(settings)
        resumed = connect_account(connection, vault, owner, name, "google_service_account", account=address, credentials=text, by="cli")
        record_audit(connection, "cli", "connection.connect", f"{organization}.{name}", {"account": address, "resumed": resumed})
    if as_json:
        print_json({"name": name, "organization": organization, "share_with": address, "resumed": resumed})
        return
    click.echo(address)
    say(f"In Google Sheets, Share: add this address as Editor. Integrations use it with credentials=connection:{name}.")
    _tell_resumed(resumed)


@command.command("list")
@click.option("--organization", help="Slug of the organization. Default: all.")
@json_option
@pass_settings
def list_command(settings: Settings, organization: str | None, as_json: bool) -> None:
    """List the connected accounts, and who uses them."""
    with transaction(settings) as connection:
        from collect_pipelines.store.connections import list_connections

        found = [_facts(connection, one) for one in list_connections(connection, organization)]
    emit(
        {"connections": found},
        as_json=as_json,
        headings=("name", "organization", "kind", "account", "state", "changed (UTC)", "used by"),
        rows=[
            (
                one["name"],
                one["organization"],
                one["kind"],
                one["account"],
                one["state"],
                one["changed_at"],
                ", ".join(one["used_by"]) or None,
            )
            for one in found
        ],
        empty="No account is connected. Next: collect connections add google NAME",
    )


@command.command()
@click.argument("name")
@organization_option
@json_option
@pass_settings
def show(settings: Settings, name: str, organization: str, as_json: bool) -> None:
    """Show one connection: its account, the address to share spreadsheets with, its state and who uses it."""
    with transaction(settings) as connection:
        from collect_pipelines.store.connections import find_connection
        from collect_pipelines.store.organizations import organization_id_of

        facts = _facts(connection, find_connection(connection, organization_id_of(connection, organization), name))
    if as_json:
        print_json(facts)
        return
    listed = {"scopes": " ".join(facts["scopes"]) or None, "used_by": ", ".join(facts["used_by"]) or None}
    print_facts({word.replace("_", " "): value for word, value in (facts | listed).items()})


@command.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Also when integrations use it: they stop until they have other credentials.")
@click.option("--revoke", is_flag=True, help="Also withdraw at Google what the person granted, for every connection of the same account.")
@organization_option
@json_option
@pass_settings
def remove(settings: Settings, name: str, force: bool, revoke: bool, organization: str, as_json: bool) -> None:
    """Forget an account and its credentials for good; what was written with it stays where it is."""
    with transaction(settings) as connection:
        from collect_pipelines.store.audit import record_audit
        from collect_pipelines.store.connections import connection_users, find_connection, remove_connection
        from collect_pipelines.store.organizations import organization_id_of

        owner = organization_id_of(connection, organization)
        found = find_connection(connection, owner, name)
        users = connection_users(connection, owner, name)
        if users and not force:
            raise Conflict(f"{name} is used by {', '.join(users)}.", fix="Change their credentials first, or remove it with --force.")
        revoked = revoke and _revoked(connection, settings, owner, found)
        remove_connection(connection, owner, name)
        record_audit(connection, "cli", "connection.remove", f"{organization}.{name}", {"account": found.account, "revoked": revoked})
    if as_json:
        print_json({"name": name, "organization": organization, "removed": True, "revoked": revoked})
        return
    say(f"{name} is removed. " + ("Its access is withdrawn at Google." if revoked else "Google may still list its access: see below."))
    if not revoked:
        say("A person ends it at myaccount.google.com/permissions; a key of a service account is deleted in Google Cloud.")


@command.command()
@click.argument("name")
@organization_option
@json_option
@pass_settings
def test(settings: Settings, name: str, organization: str, as_json: bool) -> None:
    """Ask Google whether it accepts the account; integrations that waited for it go on if it does."""
    with open_database(settings) as database:
        from collect_pipelines.sync.connection_trial import try_connection

        tried = try_connection(database, settings, organization, name)
    if as_json:
        print_json({"ok": True, "account": tried.connection.account, "resumed": tried.resumed})
        return
    say(f"Google accepts {tried.connection.account}.")
    _tell_resumed(tried.resumed)


def _invited(connection: "Connection", settings: Settings, name: str, organization: str) -> tuple[str, Any]:
    from hashlib import sha256
    from secrets import token_urlsafe

    from collect_pipelines.store.audit import record_audit
    from collect_pipelines.store.connection_requests import invite
    from collect_pipelines.store.connections import check_connection
    from collect_pipelines.store.organizations import ensure_organization

    owner = ensure_organization(connection, organization)
    check_connection(connection, owner, name, "google_user")
    ticket = token_urlsafe(32)
    # Promise 10: the database keeps what proves the ticket, not the ticket
    expires_at = invite(connection, owner, name, sha256(ticket.encode()).digest(), "cli")
    record_audit(connection, "cli", "connection.invite", f"{organization}.{name}")
    return f"{settings.public_base}/google/connect?ticket={ticket}", expires_at


def _service_account(path: Path) -> tuple[str, str]:
    """The file's text and the account's address."""
    from collect_pipelines.destinations.google_sheets.account.credentials import account_of
    from collect_pipelines.errors import Blocked

    fix = "Google Cloud > IAM & Admin > Service Accounts > Keys > Add key > JSON: name the file that is downloaded."
    with path.open("rb") as file:
        raw = file.read(MOST_FILE_BYTES + 1)
    try:
        if len(raw) > MOST_FILE_BYTES:
            raise ValueError
        account = account_of(raw.decode("utf-8"), "")
        if account.kind != "service_account":
            raise ValueError
    except (Blocked, ValueError):
        # `from None`: a parser's message would quote the key (promise 10)
        raise Invalid(f"{path} is not the key of a service account.", fix=fix) from None
    return raw.decode("utf-8"), account.who


def _facts(connection: "Connection", one: "ConnectedAccount") -> dict[str, Any]:
    from collect_pipelines.store.connections import connect_command, connection_users
    from collect_pipelines.store.organizations import organization_id_of

    owner = organization_id_of(connection, one.organization)
    facts: dict[str, Any] = {
        "name": one.name,
        "organization": one.organization,
        "kind": KIND_NAMES[one.kind],
        "account": one.account,
        "share_with": one.account,
        "scopes": list(one.scopes),
        "state": one.state,
        "reason": one.reason,
        "created_at": one.created_at,
        "changed_at": one.changed_at,
        "created_by": one.created_by,
        "used_by": connection_users(connection, owner, one.name),
        "use_as": f"credentials=connection:{one.name}",
    }
    return facts | ({"fix": connect_command(one.name, one.organization, one.kind)} if one.state == "reconnect_needed" else {})


def _revoked(connection: "Connection", settings: Settings, organization_id: int, found: "ConnectedAccount") -> bool:
    from collect_pipelines.destinations.google_sheets.account.consent import revoke
    from collect_pipelines.store.secret_texts import credentials_of

    if found.kind != "google_user":
        raise Invalid(f"{found.name} is a service account.", fix="Delete its key in Google Cloud, and remove it here without --revoke.")
    text = credentials_of(connection, settings, organization_id, found)
    return revoke(settings.oauth_token_url or f"{settings.local_sheets_url}/token", text)


def _tell_resumed(names: Any) -> None:
    if names:
        say(f"What was waiting is sent now: {', '.join(names)}.")
