"""`collect secrets`: what the product keeps sealed for integrations; no command shows a value."""

import sys
from typing import TYPE_CHECKING

import click

from collect_pipelines.cli.connection import transaction
from collect_pipelines.cli.options import json_option, organization_option, pass_settings
from collect_pipelines.cli.output import emit, print_json, say
from collect_pipelines.errors import Conflict, Invalid
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from collect_pipelines.store.vault import Vault

__all__ = ["command"]

MOST_BYTES = 300_000  # what 65,536 characters can have, and a little more, so that the store says what is wrong


@click.group()
def command() -> None:
    """Keep secrets for integrations, sealed in the database; no command shows one."""


@command.command("set")
@click.argument("name")
@click.argument("value", nargs=-1, metavar="")
@click.option("--force", is_flag=True, help="Also replace the key of hash masks while integrations use it: equal answers get other hashes.")
@organization_option
@json_option
@pass_settings
def set_command(settings: Settings, name: str, value: tuple[str, ...], force: bool, organization: str, as_json: bool) -> None:
    """
    Store a secret under NAME: read from standard input, or asked for on a terminal. It is never given on the command line.

    An integration refers to it as `stored:NAME` and uses a new value from its next delivery on.
    """
    if value:
        # Promise 10: it is taken here only to be refused without being shown
        raise Invalid(
            "A secret is not given on the command line: others can read it there, and in the shell's history.",
            fix=f"collect secrets set {name} < FILE; and take another secret where this one comes from.",
        )
    given = _given()
    with transaction(settings) as connection:
        from collect_pipelines.store.audit import record_audit
        from collect_pipelines.store.organizations import ensure_organization
        from collect_pipelines.store.secrets import MASK_HASH, secret_users, write_secret
        from collect_pipelines.store.vault import Vault

        owner = ensure_organization(connection, organization)
        users = secret_users(connection, owner, name)
        if name == MASK_HASH and users and not force:
            raise Conflict(
                f"{', '.join(users)} hash answers with {name}: with another key, equal answers get other hashes.",
                fix=f"Only if that is meant: collect secrets set {name} --force",
            )
        write_secret(connection, Vault.from_settings(settings), owner, name, given)
        record_audit(connection, "cli", "secret.set", f"{organization}.{name}")
    if as_json:
        print_json({"organization": organization, "name": name, "used_by": users})
    else:
        used = f"Used by {', '.join(users)}." if users else f"Next: name it as stored:{name} in the configuration of an integration."
        say(f"{name} is stored. {used}")


@command.command("list")
@click.option("--organization", help="Slug of the organization. Default: all.")
@json_option
@pass_settings
def list_command(settings: Settings, organization: str | None, as_json: bool) -> None:
    """List the stored secrets: names, since when, and who uses them."""
    with transaction(settings) as connection:
        from collect_pipelines.store.organizations import organization_id_of
        from collect_pipelines.store.secrets import list_secrets, secret_users
        from collect_pipelines.store.vault import Vault

        vault = Vault.from_settings(settings)
        found = [
            {
                "name": one.name,
                "organization": one.organization,
                "key_id": one.key_id,
                "opens": vault.knows(one.key_id),
                "changed_at": one.changed_at,
                "used_by": secret_users(connection, organization_id_of(connection, one.organization), one.name),
            }
            for one in list_secrets(connection, organization)
        ]
    emit(
        {"secrets": found},
        as_json=as_json,
        headings=("name", "organization", "key", "key is here", "changed (UTC)", "used by"),
        rows=[_row(one) for one in found],
        empty="No secret is stored. Next: collect secrets set NAME",
    )


@command.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Also when integrations use it: they stop until it is set again.")
@organization_option
@json_option
@pass_settings
def remove(settings: Settings, name: str, force: bool, organization: str, as_json: bool) -> None:
    """Remove a stored secret for good."""
    with transaction(settings) as connection:
        from collect_pipelines.store.audit import record_audit
        from collect_pipelines.store.organizations import organization_id_of
        from collect_pipelines.store.secrets import remove_secret, secret_users

        owner = organization_id_of(connection, organization)
        users = secret_users(connection, owner, name)
        if users and not force:
            raise Conflict(f"{name} is used by {', '.join(users)}.", fix="Change their configuration first, or remove it with --force.")
        remove_secret(connection, owner, name)
        record_audit(connection, "cli", "secret.remove", f"{organization}.{name}")
    if as_json:
        print_json({"organization": organization, "name": name, "removed": True})
    else:
        say(f"{name} is removed.")


@command.command()
@click.option("--no-new-key", is_flag=True, help="Add no key: seal everything under the last key that the file holds already.")
@json_option
@pass_settings
def rotate(settings: Settings, no_new_key: bool, as_json: bool) -> None:
    """
    Add a key to the key file and seal every stored secret anew under it.

    Running workers read the file again by themselves. Earlier keys stay in the file, for backups of the database.
    """
    from collect_pipelines.store.vault import Vault

    vault = Vault.from_settings(settings)
    with transaction(settings) as connection:
        count, key_id = _rewrap(connection, vault, add_key=not no_new_key)
    if as_json:
        print_json({"key_id": key_id, "key_file": vault.path, "sealed": count})
    else:
        say(f"{count} secrets are sealed under the key {key_id} of {vault.path}. Next: copy that file to where its copies are kept.")


def _rewrap(connection: "Connection", vault: "Vault", *, add_key: bool) -> tuple[int, str]:
    from collect_pipelines.store.audit import record_audit
    from collect_pipelines.store.secrets import refuse_foreign_vault, rewrap

    # before a key is added: a key file of another installation must not become a second one of this
    refuse_foreign_vault(connection, vault)
    key_id = vault.add_key() if add_key else vault.newest_key()
    count = rewrap(connection, vault)
    record_audit(connection, "cli", "secret.rotate", key_id, {"sealed": count})
    return count, key_id


def _given() -> str:
    # Promise 10: an argument could be read by every user of the machine, and stays in the shell's history
    if sys.stdin.isatty():
        typed: str = click.prompt("Secret (not shown)", hide_input=True, confirmation_prompt="Once more", err=True)
        return typed
    raw = sys.stdin.buffer.read(MOST_BYTES + 1)
    try:
        text: str = raw.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise Invalid("The secret is not UTF-8 text.", fix="Store it as text, for example in base64.") from exc
    # what `echo` and editors put at the end is no part of it
    return text.removesuffix("\n").removesuffix("\r")


def _row(one: dict[str, object]) -> list[object]:
    users = one["used_by"]
    listed = ", ".join(users) if isinstance(users, list) else None
    return [one["name"], one["organization"], one["key_id"], "yes" if one["opens"] else "no", one["changed_at"], listed or None]
