"""What is stored as a project file: planned right after, it changes nothing."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from collect_pipelines.errors import ProjectInvalid
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.reading import write_form
from collect_pipelines.forms.writing import yaml_lines
from collect_pipelines.project.model import IntegrationEntry, KeyEntry
from collect_pipelines.project.stored import Stored, read_stored
from collect_pipelines.store.integrations import Integration
from collect_pipelines.sync.mapping.model import MappingConfig

__all__ = ["Exported", "export_project"]

SCHEMA = "# yaml-language-server: $schema=project.schema.json"
FORMS = "forms"

Exported = dict[str, str]
"""Text by file name; `collect.yaml` is the project."""


def export_project(connection: Connection, organization: str, *, inline: bool) -> Exported:
    """
    The organization's forms (newest versions), integrations and keys. Secrets and keys are references, or not in it.

    inline: forms are written out in the project file; else each is a file of its own below `forms/`. Raises ProjectInvalid when
    something stored can't be written so, e.g. a secret in a configuration.
    """
    stored = read_stored(connection, organization)
    lines = [SCHEMA, *yaml_lines({"organization": organization})]
    newest = {slug: form.versions[-1] for slug, form in stored.forms.items()}
    files = {} if inline else {f"{FORMS}/{slug}.yaml": write_form(form, schema="../form.schema.json") for slug, form in newest.items()}
    if newest:
        lines += ["forms:", *(_inline(newest.values()) if inline else (f"  - {name}" for name in files))]
    integrations = [_integration(stored, one) for one in stored.integrations.values()]
    if integrations:
        lines += yaml_lines({"integrations": integrations})
    keys = [_key(name, sorted(key.scopes)) for name, key in stored.keys.items()]
    if keys:
        lines += yaml_lines({"keys": keys})
    return {"collect.yaml": "\n".join(lines) + "\n", **files}


def _inline(forms: Any) -> Iterator[str]:
    for form in forms:
        first, *rest = _body(form)
        yield f"  - {first}"
        yield from (f"    {line}" for line in rest)


def _body(form: FormDefinition) -> list[str]:
    return [line for line in write_form(form).splitlines() if not line.startswith("#")]


def _integration(stored: Stored, known: Integration) -> dict[str, Any]:
    document: dict[str, Any] = {"name": known.name, "form": stored.slug_of(known), "kind": known.kind}
    if known.config:
        document["config"] = known.config
    mapping = MappingConfig.model_validate(known.mapping).document()
    if mapping:
        document["mapping"] = mapping
    if known.language is not None:
        document["language"] = known.language
    if known.weight != 1.0:
        document["weight"] = known.weight
    if known.state == "paused":
        document["state"] = "paused"
    _readable(IntegrationEntry, document, f"The integration {known.name}")
    return document


def _key(name: str, scopes: list[str]) -> dict[str, Any]:
    document = {"name": name, "scopes": scopes}
    _readable(KeyEntry, document, f"The key {name}")
    return document


def _readable(model: type[IntegrationEntry | KeyEntry], document: dict[str, Any], what: str) -> None:
    """Refuses what could not be read again. Promise 10: above all a secret, which is named and not shown."""
    try:
        model.model_validate(document)
    except ValidationError as exc:
        faults = [
            f"{'.'.join(map(str, one['loc']))}: {one['msg'].removeprefix('Value error, ')}"
            for one in exc.errors(include_input=False, include_url=False)
        ]
        raise ProjectInvalid(
            f"{what} can't be exported. {'; '.join(faults)}.",
            fix="Change it with `collect integrations set`; a secret is stored with `collect secrets set NAME` and named as stored:NAME.",
        ) from None
