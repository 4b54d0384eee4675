"""What the demo needs in the store: published sample forms, and two integrations per form."""

from pathlib import Path

from sqlalchemy import Connection

from collect_pipelines.errors import NotFound
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.reading import read_form
from collect_pipelines.local.application import Application
from collect_pipelines.store.forms import find_form, publish_form
from collect_pipelines.store.integrations import add_integration, list_integrations
from collect_pipelines.store.keys import create_key
from collect_pipelines.store.organizations import ensure_organization

__all__ = ["DEMO_KINDS", "add_demo_integrations", "create_demo_key", "publish_samples", "sample_files"]

ORGANIZATION = "default"
DEMO_KINDS = ("google_sheets", "warehouse")


def sample_files(application: Application) -> list[Path]:
    """The sample forms of the checkout. Raises NotFound when there are none."""
    files = sorted((application.root / "samples").glob("*.yaml"))
    if not files:
        raise NotFound(f"{application.root / 'samples'} holds no forms.", fix="Restore the folder from the repository.")
    return files


def publish_samples(connection: Connection, files: list[Path]) -> list[FormDefinition]:
    """Publishes each form unless it is published as it is."""
    ensure_organization(connection, ORGANIZATION)
    definitions = [read_form(file.read_text("utf-8"), str(file)) for file in files]
    for definition in definitions:
        publish_form(connection, ORGANIZATION, definition, "demo")
    return definitions


def add_demo_integrations(connection: Connection, definitions: list[FormDefinition]) -> None:
    """One integration of each kind per form; those of an earlier demo stay."""
    for definition in definitions:
        form = find_form(connection, definition.form)
        there = {integration.kind for integration in list_integrations(connection, form.form_id)}
        for kind in DEMO_KINDS:
            if kind not in there:
                add_integration(connection, form.form_id, f"{definition.form}-{kind}".replace("_", "-"), kind, {})


def create_demo_key(connection: Connection) -> str:
    """A key that may submit and read; the caller keeps it."""
    ensure_organization(connection, ORGANIZATION)
    return create_key(connection, ORGANIZATION, "demo", frozenset({"ingest", "read"})).text
