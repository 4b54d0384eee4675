"""`collect integrations`: a form bound to a destination, and its care."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import click

from collect_pipelines.cli.connection import open_database, transaction
from collect_pipelines.cli.options import json_option, organization_option, pass_settings
from collect_pipelines.cli.output import ago, emit, print_facts, print_json, say
from collect_pipelines.errors import ConfigInvalid
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.store.database import Database
    from collect_pipelines.store.integrations import Integration

__all__ = ["command", "read_config"]


@click.group()
def command() -> None:
    """Connect forms to destinations, and look after them."""


@command.command()
@json_option
def kinds(as_json: bool) -> None:
    """List the installed kinds of destinations; any pip package may add some."""
    from collect_pipelines import plugins

    installed = [{"kind": one.kind, "distribution": one.distribution} for one in plugins.installed(plugins.DESTINATIONS)]
    emit(
        {"kinds": installed},
        as_json=as_json,
        headings=("kind", "package"),
        rows=[tuple(one.values()) for one in installed],
        empty="No destination is installed. Next: pip install --force-reinstall collect-pipelines",
    )


@command.command()
@click.argument("kind")
@click.option("--form", required=True, help="The form whose responses are delivered.")
@click.option("--name", help="Name of the integration, unique in the organization. Default: FORM-KIND.")
@click.option("--set", "settings_given", multiple=True, metavar="NAME=VALUE", help="A field of the kind's configuration; may be repeated.")
@click.option("--config", type=click.File("r", encoding="utf-8"), help="The whole configuration as a JSON file (- for standard input).")
@click.option(
    "--start", type=click.Choice(["all", "now"]), default="all", show_default=True, help="Deliver old responses too, or only new."
)
@click.option("--language", help="Language of headings and labels, e.g. hi. Default: the form's first.")
@json_option
@pass_settings
def add(
    settings: Settings,
    kind: str,
    form: str,
    name: str | None,
    settings_given: tuple[str, ...],
    config: Any,
    start: Literal["all", "now"],
    language: str | None,
    as_json: bool,
) -> None:
    """Bind a form to a destination of this KIND (see `collect integrations kinds`)."""
    checked = read_config(kind, settings_given, config.read() if config else None)
    with transaction(settings) as connection:
        from collect_pipelines.store.forms import find_form
        from collect_pipelines.store.integrations import add_integration

        record = find_form(connection, form)
        chosen = name or f"{form}-{kind}".replace("_", "-")
        added = add_integration(connection, record.form_id, chosen, kind, checked, start=start, language=language)
    if as_json:
        print_json(added)
    else:
        say(f"{added.name} delivers {added.form} to {kind}. Next: collect integrations test {added.name}")


@command.command("list")
@click.option("--form", help="Only of this form.")
@click.option("--kind", help="Only of this kind.")
@json_option
@pass_settings
def list_command(settings: Settings, form: str | None, kind: str | None, as_json: bool) -> None:
    """List the integrations and how far each has come."""
    with transaction(settings) as connection:
        from collect_pipelines.store.forms import find_form
        from collect_pipelines.store.integrations import list_integrations

        form_id = find_form(connection, form).form_id if form else None
        found = list_integrations(connection, form_id, kind)
    emit(
        {"integrations": found},
        as_json=as_json,
        headings=("name", "form", "kind", "state", "delivered up to", "reason"),
        rows=[(one.name, one.form, one.kind, one.state, one.cursor, one.reason) for one in found],
        empty="There are no integrations. Next: collect integrations add KIND --form FORM",
    )


@command.command()
@click.argument("name")
@organization_option
@json_option
@pass_settings
def show(settings: Settings, name: str, organization: str, as_json: bool) -> None:
    """Show one integration: configuration, state and ledger."""
    with transaction(settings) as connection:
        from collect_pipelines.store.integrations import find_integration
        from collect_pipelines.store.ledger import ledger

        found = find_integration(connection, name, organization)
        row = next((asdict(one) for one in ledger(connection, found.form_id) if one.integration == found.name), None)
    if as_json:
        print_json({"integration": found, "ledger": row})
        return
    print_facts(asdict(found) | {"config": json.dumps(found.config, ensure_ascii=False)})
    if row:
        names = ("accepted", "delivered", "filtered", "quarantined", "dead_lettered", "erased", "pending")
        print_facts({name.replace("_", " "): row[name] for name in names} | {"oldest pending": ago(row["oldest_pending_seconds"])})


@command.command()
@click.argument("name")
@organization_option
@json_option
@pass_settings
def pause(settings: Settings, name: str, organization: str, as_json: bool) -> None:
    """Stop delivering; what comes in meanwhile is kept and delivered after `resume`."""
    paused = _set_state(settings, name, organization, "paused")
    if as_json:
        print_json(paused)
    else:
        say(f"{name} is paused. Next: collect integrations resume {name}")


@command.command()
@click.argument("name")
@organization_option
@json_option
@pass_settings
def resume(settings: Settings, name: str, organization: str, as_json: bool) -> None:
    """Deliver again after a pause or a block, from where it stopped."""
    resumed = _set_state(settings, name, organization, "active")
    if as_json:
        print_json(resumed)
    else:
        say(f"{name} delivers again.")


@command.command()
@click.argument("name")
@organization_option
@json_option
@pass_settings
def test(settings: Settings, name: str, organization: str, as_json: bool) -> None:
    """Prove that the destination can be used, by using it; no response is sent."""
    with open_database(settings) as database:
        from collect_pipelines.sync.trial import probe

        report = probe(database, settings, _id_of(database, name, organization))
    if as_json:
        print_json(report)
        return
    click.echo(report.summary)
    print_facts(report.facts | ({"look at": report.url} if report.url else {}))


@command.command()
@click.argument("name")
@organization_option
@click.option("-n", "--rows", default=5, show_default=True, type=click.IntRange(1, 100), help="So many of the newest responses.")
@json_option
@pass_settings
def preview(settings: Settings, name: str, organization: str, rows: int, as_json: bool) -> None:
    """Show the exact cells or bytes the newest responses would become; sends nothing."""
    with open_database(settings) as database:
        from collect_pipelines.sync.trial import preview as preview_of

        shown = preview_of(database, settings, _id_of(database, name, organization), rows)
    if as_json:
        print_json({"preview": shown})
    else:
        click.echo(shown)


def read_config(kind: str, pairs: tuple[str, ...], document: str | None) -> dict[str, Any]:
    """The configuration from a JSON document and `name=value` pairs, checked by the kind. Raises ConfigInvalid naming the field."""
    from pydantic import ValidationError

    from collect_pipelines import plugins

    values = _json_object(document) if document else {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigInvalid(f"--set {pair!r} is not NAME=VALUE.", fix="Write for example --set dataset=forms")
        values[name] = _value(value)
    schema = plugins.load(plugins.DESTINATIONS, kind).Config
    try:
        checked: dict[str, Any] = schema.model_validate(values).model_dump(mode="json", exclude_defaults=True)
    except ValidationError as exc:
        faults = "; ".join(f"{'.'.join(map(str, error['loc'])) or kind}: {error['msg']}" for error in exc.errors(include_input=False))
        fields = ", ".join(f"{field} ({spec.description})" if spec.description else field for field, spec in schema.model_fields.items())
        raise ConfigInvalid(f"The configuration of {kind} is not valid. {faults}", fix=f"Its fields: {fields or 'none'}") from exc
    return checked


def _id_of(database: "Database", name: str, organization: str) -> int:
    from collect_pipelines.store.integrations import find_integration

    with database.begin() as connection:
        return find_integration(connection, name, organization).integration_id


def _set_state(settings: Settings, name: str, organization: str, state: Literal["active", "paused"]) -> "Integration":
    with transaction(settings) as connection:
        from collect_pipelines.store.audit import record_audit
        from collect_pipelines.store.integrations import find_integration, set_integration_state

        found = find_integration(connection, name, organization)
        set_integration_state(connection, found.integration_id, state)
        record_audit(connection, "cli", f"integration {state}", name, {})
        return find_integration(connection, name, organization)


def _json_object(document: str) -> dict[str, Any]:
    try:
        values = json.loads(document)
    except ValueError as exc:
        raise ConfigInvalid(f"--config is not JSON: {exc}", fix="Give a JSON object with the fields of the configuration.") from exc
    if not isinstance(values, dict):
        raise ConfigInvalid("--config is not a JSON object.", fix="Give a JSON object with the fields of the configuration.")
    return values


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
