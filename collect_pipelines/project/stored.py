"""What the database holds of one organization: the other side of every comparison."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Connection

from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.model import Ledger
from collect_pipelines.store.forms import FormRecord, form_versions, list_forms
from collect_pipelines.store.integrations import Integration, list_integrations
from collect_pipelines.store.keys import ApiKey, list_keys
from collect_pipelines.store.ledger import ledger
from collect_pipelines.store.secrets import list_secrets

__all__ = ["Stored", "StoredForm", "read_stored"]


@dataclass(frozen=True)
class StoredForm:
    """A form with all its versions, oldest first."""

    record: FormRecord
    versions: tuple[FormDefinition, ...]
    content_hash: str
    """Of the newest version."""


@dataclass(frozen=True)
class Stored:
    """Everything of the organization, by name."""

    organization: str
    forms: dict[str, StoredForm] = field(default_factory=dict)
    integrations: dict[str, Integration] = field(default_factory=dict)
    ledger: dict[str, Ledger] = field(default_factory=dict)
    """By integration."""
    keys: dict[str, ApiKey] = field(default_factory=dict)
    """The newest that may be used, of each name."""
    secrets: frozenset[str] = frozenset()
    """Names of the stored ones."""

    def slug_of(self, integration: Integration) -> str:
        """The form of an integration as the project file names it."""
        return next(slug for slug, form in self.forms.items() if form.record.form_id == integration.form_id)


def read_stored(connection: Connection, organization: str) -> Stored:
    """What there is; nothing at all for an organization that does not exist yet."""
    forms: dict[str, StoredForm] = {}
    for record in list_forms(connection, organization):
        versions = form_versions(connection, record.form_id)
        if versions:
            forms[record.slug] = StoredForm(record, tuple(one.definition for one in versions), versions[-1].content_hash)
    ids = {form.record.form_id for form in forms.values()}
    integrations = {one.name: one for one in list_integrations(connection) if one.organization == organization and one.form_id in ids}
    lines = {line.integration: line for form_id in ids for line in ledger(connection, form_id)}
    usable = {key.name: key for key in list_keys(connection, organization) if _usable(key)}
    secrets = frozenset(one.name for one in list_secrets(connection, organization))
    return Stored(organization, forms, integrations, lines, usable, secrets)


def _usable(key: ApiKey) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > datetime.now(UTC))
