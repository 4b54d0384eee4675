"""What a project file (collect.yaml) may say."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from collect_pipelines.errors import ConfigInvalid
from collect_pipelines.forms.faults import SLUG
from collect_pipelines.forms.fields import Language, Part, Slug
from collect_pipelines.project.references import inline_secrets
from collect_pipelines.store.integrations import MOST_WEIGHT
from collect_pipelines.store.keys import Scope
from collect_pipelines.store.names import MOST_NAME, name_fault, organization_fault
from collect_pipelines.sync.mapping.model import MappingConfig
from collect_pipelines.sync.mapping.reading import read_start

__all__ = ["IntegrationEntry", "KeyEntry", "Project"]

MOST_ENTRIES = 2_000  # of each kind: far more than one organization has


def _name(value: str) -> str:
    return _unless(name_fault(value), value)


def _organization(value: str) -> str:
    return _unless(organization_fault(value), value)


def _unless(fault: str | None, value: str) -> str:
    if fault:
        raise ValueError(fault)
    return value


def _config(value: dict[str, Any]) -> dict[str, Any]:
    # Promise 10: the file is copied, reviewed and kept for ever; what looks like a secret is named and never shown
    found = inline_secrets(value)
    if found:
        raise ValueError(f"{', '.join(found)} looks like a secret; write env:NAME, file:PATH or stored:NAME in its place")
    return value


def _start(value: str) -> str:
    try:
        read_start(value, "UTC")
    except ConfigInvalid:
        raise ValueError("write all, now, since:2026-01-31 or since:2026-01-31T09:30:00+05:30") from None
    return value


def _key_value(value: str) -> str:
    scheme, _, name = value.partition(":")
    if scheme not in ("env", "file") or not name or "\x00" in name:
        # Promise 10: not shown, it may be the key itself
        raise ValueError("must say where the key is: env:NAME or file:PATH, never the key itself")
    return value


Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": MOST_NAME})]
Organization = Annotated[str, AfterValidator(_organization), WithJsonSchema({"type": "string", "pattern": f"^{SLUG.pattern}$"})]


class IntegrationEntry(Part):
    """One form bound to one destination."""

    name: Name = Field(description="Name of the integration, unique in the organization. Another name is another integration.")
    form: Slug = Field(description="The form whose responses are delivered.")
    kind: Name = Field(description="Kind of the destination: `collect integrations kinds` lists them.")
    config: Annotated[dict[str, Any], AfterValidator(_config)] = Field(
        default_factory=dict, description="Settings of the kind. A secret is written as env:NAME, file:PATH or stored:NAME."
    )
    mapping: MappingConfig = Field(default_factory=MappingConfig, description="Which responses and columns go out, and how they look.")
    language: Language | None = Field(default=None, description="Language of headings and labels. Unset: the form's first.")
    weight: float = Field(
        default=1.0,
        gt=0,
        le=MOST_WEIGHT,
        description="Share of a quota next to others that wait for it: twice the weight, twice the calls.",
    )
    start: Annotated[str, AfterValidator(_start)] = Field(
        default="all", description="Only when it is made: all, now, or since: a day or moment: from which response on it delivers."
    )
    state: Literal["active", "paused"] = Field(default="active", description="`paused` keeps what comes in until it is active again.")


class KeyEntry(Part):
    """One API key, by reference: the key itself is never in the file."""

    name: Name = Field(description="Name of the key.")
    scopes: tuple[Scope, ...] = Field(min_length=1, description="What it may be used for: ingest, read, admin.")
    value: Annotated[str, AfterValidator(_key_value)] | None = Field(
        default=None,
        description="Where the key is: env:NAME, or file:PATH, where a new one is made and kept when there is no such file. "
        "Unset: the key must be there already.",
    )


class Project(Part):
    """Forms, integrations and keys of one organization. What is not named is left alone."""

    organization: Organization = Field(default="default", description="Slug of the organization.")
    forms: tuple[str | dict[str, Any], ...] = Field(
        default=(), max_length=MOST_ENTRIES, description="Form files, by their path from this file; or whole forms, written out here."
    )
    integrations: tuple[IntegrationEntry, ...] = Field(default=(), max_length=MOST_ENTRIES, description="Forms bound to destinations.")
    keys: tuple[KeyEntry, ...] = Field(default=(), max_length=MOST_ENTRIES, description="API keys, by reference.")
