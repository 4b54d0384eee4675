"""What `collect doctor` finds about stored secrets: before a delivery needs one and is blocked."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from collect_pipelines.cli.diagnosis import Diagnosis
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.store.database import Database

__all__ = ["secret_diagnoses"]


def secret_diagnoses(database: "Database", settings: Settings) -> Iterator[Diagnosis]:
    """Secrets that this machine can't open, and those that integrations name and nobody stored; nothing when there are neither."""
    from collect_pipelines.store.integrations import list_integrations
    from collect_pipelines.store.secrets import list_secrets, secrets_named
    from collect_pipelines.store.vault import Vault

    with database.begin() as connection:
        secrets = list_secrets(connection)
        integrations = list_integrations(connection)
    there = {(one.organization, one.name) for one in secrets}
    for one in integrations:
        for name in secrets_named(one.config):
            if (one.organization, name) not in there:
                fix = f"collect secrets set {name} --organization {one.organization}"
                yield Diagnosis(f"integration {one.name}", "broken", f"its secret stored:{name} is not stored", fix)
    if not secrets:
        return
    vault = Vault.from_settings(settings)
    closed = sorted({one.key_id for one in secrets if not vault.knows(one.key_id)})
    if closed:
        detail = f"{vault.path} does not hold {', '.join(closed)}, with which secrets are sealed"
        yield Diagnosis("secrets", "broken", detail, "Put the key file of this installation there, or set the secrets anew.")
    else:
        yield Diagnosis("secrets", "ok", f"{len(secrets)} stored, all can be opened with {vault.path}")
