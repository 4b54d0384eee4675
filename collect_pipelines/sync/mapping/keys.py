"""The secret key that `hash` masks are made with: one per organization, so that a number has the same digest in all of its forms."""

from sqlalchemy import Connection

from collect_pipelines.errors import Blocked, ConfigInvalid, NotFound
from collect_pipelines.settings import Settings
from collect_pipelines.store.organizations import organization_id_of
from collect_pipelines.store.secrets import MASK_HASH, ensure_secret, read_secret
from collect_pipelines.store.vault import Vault

__all__ = ["ensure_hash_key", "hash_key"]


def hash_key(connection: Connection, settings: Settings, organization: str) -> bytes:
    """The organization's key. Raises Blocked when it is gone or can't be opened: with another key every digest would be another one."""
    try:
        return read_secret(connection, Vault.from_settings(settings), organization_id_of(connection, organization), MASK_HASH).encode()
    except (ConfigInvalid, NotFound) as exc:
        raise Blocked(
            f"The key of `hash` masks (the stored secret {MASK_HASH}) can't be used: {exc.message}",
            fix=f"{exc.fix or ''} Or set the mapping again (`collect integrations set`), which makes a new key when there is none.".strip(),
        ) from exc


def ensure_hash_key(connection: Connection, settings: Settings, organization: str) -> None:
    """Makes the organization's key when there is none yet."""
    ensure_secret(connection, Vault.from_settings(settings), organization_id_of(connection, organization), MASK_HASH)
