"""`collect integrations add` and `set`: what goes where, and in which form."""

import json
from typing import TYPE_CHECKING, Any

import click

from collect_pipelines.cli.connection import transaction
from collect_pipelines.cli.mapping_options import changed_document, changed_language, mapping_options
from collect_pipelines.cli.options import json_option, organization_option, pass_settings
from collect_pipelines.cli.output import print_json, say
from collect_pipelines.errors import ConfigInvalid
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.sync.mapping.saving import Saved

__all__ = ["add", "read_config", "set_command"]

set_option = click.option(
    "--set", "settings_given", multiple=True, metavar="NAME=VALUE", help="A field of the kind's configuration; may be repeated."
)
weight_option = click.option(
    "--weight",
    type=click.FloatRange(0, 1000, min_open=True),
    help="Share of a quota next to others that wait for it: twice the weight, twice the calls. Default: 1.",
)


@click.command()
@click.argument("kind")
@click.option("--form", required=True, help="The form whose responses are delivered.")
@click.option("--name", help="Name of the integration, unique in the organization. Default: FORM-KIND.")
@set_option
@click.option("--config", type=click.File("r", encoding="utf-8"), help="The whole configuration as a JSON file (- for standard input).")
@click.option(
    "--start", default="all", show_default=True, metavar="WHEN", help="all, now, or since:DATE: from which response on it delivers."
)
@weight_option
@mapping_options
@json_option
@pass_settings
def add(
    settings: Settings,
    /,
    kind: str,
    form: str,
    name: str | None,
    settings_given: tuple[str, ...],
    config: Any,
    start: str,
    weight: float | None,
    as_json: bool,
    language: str | None,
    **options: Any,
) -> None:
    """Bind a form to a destination of this KIND (see `collect integrations kinds`)."""
    values = read_config(kind, settings_given, config.read() if config else None)
    with transaction(settings) as connection:
        from collect_pipelines.store.forms import find_form
        from collect_pipelines.sync.mapping.reading import read_mapping
        from collect_pipelines.sync.mapping.saving import create_integration

        record = find_form(connection, form)
        chosen = name or f"{form}-{kind}".replace("_", "-")
        mapping = read_mapping(changed_document({}, options))
        spoken = changed_language(None, language)
        share = 1.0 if weight is None else weight
        saved = create_integration(connection, settings, record, chosen, kind, values, mapping, start=start, language=spoken, weight=share)
    _tell(saved, f"{saved.integration.name} delivers {saved.integration.form} to {kind}.", as_json)


@click.command("set")
@click.argument("name")
@set_option
@click.option("--unset", multiple=True, metavar="NAME", help="A field of the configuration that goes back to its default.")
@weight_option
@mapping_options
@organization_option
@json_option
@pass_settings
def set_command(
    settings: Settings,
    /,
    name: str,
    settings_given: tuple[str, ...],
    unset: tuple[str, ...],
    weight: float | None,
    organization: str,
    as_json: bool,
    language: str | None,
    **options: Any,
) -> None:
    """
    Change what an integration sends, from its next batch on.

    What was delivered stays as it is until it is edited or sent again. An option that is not given leaves its part as it was.
    """
    if all(given in (None, ()) for given in (settings_given, unset, weight, language, *options.values())):
        raise click.UsageError("Say what to change, for example --filter, --columns, --mask or --set.")
    with transaction(settings) as connection:
        from collect_pipelines.store.integrations import find_integration
        from collect_pipelines.sync.mapping.reading import read_mapping
        from collect_pipelines.sync.mapping.saving import change_integration

        found = find_integration(connection, name, organization)
        _check_unset(found.kind, [field for field in unset if field not in found.config])
        config = {field: value for field, value in {**found.config, **_pairs(settings_given)}.items() if field not in unset}
        mapping = read_mapping(changed_document(found.mapping, options))
        spoken = changed_language(found.language, language)
        saved = change_integration(connection, settings, found, config=config, mapping=mapping, language=spoken, weight=weight)
    _tell(saved, f"{name} is changed.", as_json)


def read_config(kind: str, pairs: tuple[str, ...], document: str | None) -> dict[str, Any]:
    """The configuration from a JSON document and `name=value` pairs, checked by the kind. Raises ConfigInvalid naming the field."""
    from collect_pipelines import plugins
    from collect_pipelines.sync.mapping.reading import settings_of_kind

    values = {**(_json_object(document) if document else {}), **_pairs(pairs)}
    return settings_of_kind(plugins.load(plugins.DESTINATIONS, kind), values)


def _check_unset(kind: str, fields: list[str]) -> None:
    from collect_pipelines import plugins
    from collect_pipelines.sync.mapping.fit import closest

    known = plugins.load(plugins.DESTINATIONS, kind).Config.model_fields if fields else {}
    for field in fields:
        if field not in known:
            raise ConfigInvalid(f"--unset {field}: {kind} has no such field.", fix=closest(field, known))


def _tell(saved: "Saved", done: str, as_json: bool) -> None:
    if as_json:
        from dataclasses import asdict

        print_json({**asdict(saved.integration), "notices": saved.notices, "backfill": saved.backfill})
        return
    for notice in saved.notices:
        say(f"# {notice}")
    if saved.backfill is not None:
        say("# Responses that come in from now on go first; `collect backfill list` shows how far the older ones are.")
    name = saved.integration.name
    say(f"{done} Next: collect integrations preview {name}, and collect integrations test {name}")


def _pairs(pairs: tuple[str, ...]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigInvalid(f"--set {pair!r} is not NAME=VALUE.", fix="Write for example --set dataset=forms")
        values[name] = _value(value)
    return values


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
