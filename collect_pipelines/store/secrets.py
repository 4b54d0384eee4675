"""Secrets that the product keeps itself, sealed by the vault: written, read, listed, re-wrapped; never shown."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from secrets import token_bytes
from typing import Any

from sqlalchemy import Connection, Text, cast, func, select, update
from sqlalchemy.dialects.postgresql import JSONPATH, insert

from collect_pipelines.errors import Conflict, Invalid, NotFound
from collect_pipelines.store.tables import integration, organization, secret
from collect_pipelines.store.vault import Sealed, Vault

__all__ = [
    "MASK_HASH",
    "OF_CONNECTION",
    "StoredSecret",
    "ensure_secret",
    "list_secrets",
    "read_secret",
    "refuse_foreign_vault",
    "remove_secret",
    "rewrap",
    "secret_users",
    "secrets_named",
    "secrets_of",
    "write_secret",
]

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
SCHEME = "((Bearer|Basic|Token|Key) )?"  # a header of a gateway may say how the secret behind it proves who sends
REFERENCE = re.compile(rf'"{SCHEME}stored:({NAME.pattern})"')
MOST_CHARACTERS = 65_536  # a service account's file has 2,500; the rest is a wrong file
ENSURED_BYTES = 32
OF_CONNECTION = "connection."
"""How the names of secrets begin that hold the credentials of a connected account."""
MASK_HASH = "mask-hash"
"""The name under which the key of hash masks is kept."""


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """What may be told about a secret."""

    name: str
    organization: str
    key_id: str
    """Which key of the key file opens it."""
    created_at: datetime
    changed_at: datetime


def write_secret(connection: Connection, vault: Vault, organization_id: int, name: str, value: str) -> None:
    """
    Keeps the value under the name, in the place of an earlier one.

    Raises Invalid for a name or value that can't be one, Conflict when the vault lacks a key that other secrets were sealed with.
    """
    _check(name, value)
    refuse_foreign_vault(connection, vault)
    statement = insert(secret).values(organization_id=organization_id, name=name, **_sealed(vault, organization_id, name, value))
    fresh = statement.excluded
    changed = {"key_id": fresh.key_id, "nonce": fresh.nonce, "sealed": fresh.sealed, "changed_at": func.clock_timestamp()}
    connection.execute(statement.on_conflict_do_update(index_elements=["organization_id", "name"], set_=changed))


def read_secret(connection: Connection, vault: Vault, organization_id: int, name: str) -> str:
    """The value. Raises NotFound, and ConfigInvalid when the key file can't open it."""
    # Promise 10: a name of another organization is no name here
    row = connection.execute(select(secret).where(secret.c.organization_id == organization_id, secret.c.name == name)).one_or_none()
    if row is None:
        raise NotFound(f"There is no stored secret {name}.", fix=f"Store it: collect secrets set {name}")
    return vault.open(organization_id, name, Sealed(row.key_id, row.nonce, row.sealed))


def ensure_secret(connection: Connection, vault: Vault, organization_id: int, name: str) -> str:
    """The value; made of 32 random bytes (base64) when there is none yet. Whoever comes first decides, for everybody."""
    found = connection.execute(select(secret.c.name).where(secret.c.organization_id == organization_id, secret.c.name == name)).scalar()
    if found is None:
        value = base64.b64encode(token_bytes(ENSURED_BYTES)).decode()
        _check(name, value)
        refuse_foreign_vault(connection, vault)
        made = {"organization_id": organization_id, "name": name, **_sealed(vault, organization_id, name, value)}
        connection.execute(insert(secret).values(made).on_conflict_do_nothing())
    return read_secret(connection, vault, organization_id, name)


def list_secrets(connection: Connection, organization_slug: str | None = None) -> list[StoredSecret]:
    """All secrets by organization and name, without their values; of one organization when it is named."""
    query = (
        select(secret.c.name, organization.c.slug.label("organization"), secret.c.key_id, secret.c.created_at, secret.c.changed_at)
        .join_from(secret, organization)
        .order_by(organization.c.slug, secret.c.name)
    )
    if organization_slug is not None:
        query = query.where(organization.c.slug == organization_slug)
    return [StoredSecret(**row._mapping) for row in connection.execute(query)]


def secret_users(connection: Connection, organization_id: int, name: str) -> list[str]:
    """Names of the organization's integrations that need the secret: their configuration refers to it, or they hash answers with it."""
    owned = integration.c.organization_id == organization_id
    mentions = cast(integration.c.config, Text).regexp_match(f'"{SCHEME}stored:{re.escape(name)}"')
    if name.startswith(OF_CONNECTION):
        mentions |= cast(integration.c.config, Text).regexp_match(f'"connection:{re.escape(name.removeprefix(OF_CONNECTION))}"')
    if name == MASK_HASH:
        mentions |= func.jsonb_path_exists(integration.c.mapping, cast('$.masks.* ? (@ == "hash")', JSONPATH))
    return list(connection.execute(select(integration.c.name).where(owned, mentions).order_by(integration.c.name)).scalars())


def secrets_named(config: Mapping[str, Any]) -> list[str]:
    """Names of the stored secrets that a configuration refers to."""
    return sorted({found[3] for found in REFERENCE.finditer(json.dumps(config))})


def secrets_of(connection: Connection, organization_id: int) -> frozenset[str]:
    """Names of the organization's secrets."""
    return frozenset(connection.execute(select(secret.c.name).where(secret.c.organization_id == organization_id)).scalars())


def remove_secret(connection: Connection, organization_id: int, name: str) -> None:
    """Removes the secret for good. Raises NotFound."""
    if not connection.execute(secret.delete().where(secret.c.organization_id == organization_id, secret.c.name == name)).rowcount:
        raise NotFound(f"There is no stored secret {name}.", fix="`collect secrets list` shows them.")


def rewrap(connection: Connection, vault: Vault) -> int:
    """Seals everything that is not under the vault's newest key anew; returns how many. Values and `changed_at` stay as they are."""
    newest = vault.newest_key()
    count = 0
    for row in connection.execute(select(secret).where(secret.c.key_id != newest).with_for_update()).all():
        value = vault.open(row.organization_id, row.name, Sealed(row.key_id, row.nonce, row.sealed))
        place = (secret.c.organization_id == row.organization_id) & (secret.c.name == row.name)
        connection.execute(update(secret).where(place).values(_sealed(vault, row.organization_id, row.name, value)))
        count += 1
    return count


def _sealed(vault: Vault, organization_id: int, name: str, value: str) -> dict[str, Any]:
    sealed = vault.seal(organization_id, name, value)
    return {"key_id": sealed.key_id, "nonce": sealed.nonce, "sealed": sealed.sealed}


def _check(name: str, value: str) -> None:
    if not NAME.fullmatch(name):
        raise Invalid(
            "A secret's name has 1 to 100 letters, digits, `.`, `_` and `-`, and starts with a letter or digit.", fix="Rename it."
        )
    if not value or len(value) > MOST_CHARACTERS:
        raise Invalid(f"A secret has 1 to {MOST_CHARACTERS:,} characters; this one has {len(value):,}.", fix="Check what is stored.")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise Invalid("The secret holds half a surrogate pair, which is no character.", fix="Check what is stored.")


def refuse_foreign_vault(connection: Connection, vault: Vault) -> None:
    """A second machine would else make a key file of its own, and half of the secrets would open on each."""
    used = connection.execute(select(secret.c.key_id).distinct()).scalars()
    unknown = sorted(key_id for key_id in used if not vault.knows(key_id))
    if unknown:
        raise Conflict(
            f"{vault.path} is not the key file of this installation: secrets are sealed with {', '.join(unknown)}, which it does not hold.",
            fix="Copy the key file there, or name it with COLLECT_SECRETS_KEY_FILE. If it is lost: `collect secrets remove` those first.",
        )
