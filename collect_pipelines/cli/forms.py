"""`collect forms`: from a file to a published version, and back."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collect_pipelines.cli.connection import transaction
from collect_pipelines.cli.form_diff import diff
from collect_pipelines.cli.forms_exchange import export, import_command
from collect_pipelines.cli.options import json_option, organization_option, pass_settings
from collect_pipelines.cli.output import emit, print_json, say
from collect_pipelines.errors import FormInvalid, NotFound
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.forms.definition import FormDefinition

__all__ = ["command"]

FILES = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)


@click.group()
def command() -> None:
    """Check, publish, compare, show, infer, import and export form definitions."""


command.add_command(diff)
command.add_command(import_command)
command.add_command(export)


@command.command()
@click.argument("files", nargs=-1, required=True, type=FILES)
@json_option
def check(files: tuple[Path, ...], as_json: bool) -> None:
    """Check form files without a database: every fault with its line."""
    from collect_pipelines.forms.reading import read_form

    found: dict[str, list[str]] = {}
    unusable: dict[str, list[str]] = {}
    for file in files:
        try:
            unusable[str(file)] = _unusable_checks(read_form(_text(file), str(file)))
            found[str(file)] = []
        except FormInvalid as exc:
            found[str(file)] = list(exc.problems) or [exc.message]
    if as_json:
        documents = [
            {"file": file, "valid": not problems, "problems": problems, "unusable_checks": unusable.get(file, [])}
            for file, problems in found.items()
        ]
        print_json({"files": documents})
    bad = {file: problems for file, problems in found.items() if problems}
    if bad:
        raise FormInvalid(
            f"{len(bad)} of {len(found)} form files can't be used.",
            problems=[problem for problems in bad.values() for problem in problems],
            fix="Correct the places named and check again.",
        )
    if not as_json:
        _say_unusable(problem for problems in unusable.values() for problem in problems)
        say(f"{len(found)} form {'file is' if len(found) == 1 else 'files are'} valid. Next: collect forms publish {files[0]}")


@command.command()
@click.argument("files", nargs=-1, required=True, type=FILES)
@organization_option
@json_option
@pass_settings
def publish(settings: Settings, files: tuple[Path, ...], organization: str, as_json: bool) -> None:
    """Publish form files: a changed form becomes a new version, an unchanged one stays as it is. All files or none."""
    from collect_pipelines.forms.reading import read_form

    definitions = [read_form(_text(file), str(file)) for file in files]
    with transaction(settings) as connection:
        from collect_pipelines.store.forms import publish_form
        from collect_pipelines.store.organizations import ensure_organization

        ensure_organization(connection, organization)
        done = [(definition, publish_form(connection, organization, definition)) for definition in definitions]
    unusable = {form.form: _unusable_checks(form) for form, _ in done}
    if as_json:
        documents = [
            {"form": form.form, "version": result.version, "created": result.created, "unusable_checks": unusable[form.form]}
            for form, result in done
        ]
        print_json({"forms": documents})
        return
    _say_unusable(problem for problems in unusable.values() for problem in problems)
    for form, result in done:
        say(f"{form.form}: version {result.version} {'published' if result.created else 'is already published'}.")
    if any(result.created and result.version == 1 for _, result in done):
        say(f"Next: collect integrations add warehouse --form {done[0][0].form}")


@command.command("list")
@click.option("--organization", help="Slug of the organization. Default: all.")
@json_option
@pass_settings
def list_command(settings: Settings, organization: str | None, as_json: bool) -> None:
    """List the published forms with the length of their logs."""
    with transaction(settings) as connection:
        from collect_pipelines.store.forms import list_forms

        forms = list_forms(connection, organization)
    emit(
        {"forms": forms},
        as_json=as_json,
        headings=("form", "title", "version", "state", "log entries", "validated"),
        rows=[(form.reference, _first(form.title), form.version, form.state, form.head, form.validated_through) for form in forms],
        empty="There are no forms. Next: collect forms publish FILE.yaml",
    )


@command.command()
@click.argument("form")
@click.option("--version", type=int, help="Default: the newest.")
@click.option("--schema", is_flag=True, help="Show the JSON Schema of `answers` instead, for clients that check offline.")
@json_option
@pass_settings
def show(settings: Settings, form: str, version: int | None, schema: bool, as_json: bool) -> None:
    """Show a form's definition as YAML (with --json: definition, versions and state)."""
    with transaction(settings) as connection:
        from collect_pipelines.store.forms import find_form, form_versions

        record = find_form(connection, form)
        versions = form_versions(connection, record.form_id)
    chosen = next((one for one in versions if one.version == (version or record.version)), None)
    if chosen is None:
        raise NotFound(f"Form {form} has no version {version}.", fix=f"It has the versions 1 to {record.version}.")
    if schema:
        from collect_pipelines.forms.answers import answer_schema

        print_json(answer_schema(chosen.definition))
    elif as_json:
        definition = chosen.definition.model_dump(mode="json", exclude_defaults=True)
        print_json({"form": record, "version": chosen.version, "published_at": chosen.published_at, "definition": definition})
    else:
        from collect_pipelines.forms.reading import write_form

        click.echo(write_form(chosen.definition), nl=False)


@command.command()
@click.argument("file", type=FILES)
@click.option("--form", "slug", help="Slug of the form. Default: from the file's name.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: standard output.")
@click.option("--header-rows", type=click.IntRange(1, 2), help="Rows of the header. Default: found out.")
@click.option("--zone", default="UTC", show_default=True, help="Where the clocks were, for times without a zone, e.g. Asia/Kolkata.")
@click.option("--booleans", is_flag=True, help="Columns of yes and no become boolean. Default: a choice of the words as they are.")
@json_option
def infer(file: Path, slug: str | None, output: Path | None, header_rows: int | None, zone: str, booleans: bool, as_json: bool) -> None:
    """Write a form definition from a survey export (CSV or XLSX), to be read and edited by a person."""
    from collect_pipelines.forms.exports.inference import infer_form
    from collect_pipelines.forms.reading import write_form

    inference = infer_form(file, slug or _slug(file.stem), header_rows=header_rows, zone=zone, booleans=booleans)
    text = write_form(inference.definition)
    if output:
        output.write_text(text, "utf-8")
    if as_json:
        print_json({"form": inference.definition.form, "decisions": inference.decisions, "definition": text})
    else:
        if not output:
            click.echo(text, nl=False)
        for decision in inference.decisions:
            say(f"# {decision}")
    if output:
        say(f"Written to {output}. Read it, correct what was guessed wrong. Next: collect forms publish {output}")


def _unusable_checks(form: "FormDefinition") -> list[str]:
    """What keeps checks of the form from running on this machine; ingest may have other plug-ins, so none of it refuses the form."""
    from collect_pipelines.cli.check_trial import TRIAL_SECONDS, Trial, problems_of

    document = form.model_dump(mode="json", exclude_defaults=True)
    told = []
    for kind, settings in form.checks.items():
        (problem,) = problems_of(kind, [Trial(document, settings.config, "")], {}, TRIAL_SECONDS)
        if problem is not None:
            told.append(f"{form.form}: check {kind}: {problem}")
    return told


def _say_unusable(problems: Iterable[str]) -> None:
    for problem in problems:
        say(f"# {problem} Until then `on_error` decides about each response.")


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except UnicodeDecodeError as exc:
        raise FormInvalid(f"{file}: not UTF-8.", fix="Save the form file as UTF-8.") from exc


def _slug(name: str) -> str:
    words = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in name.lower()).split()
    slug = "_".join(words)
    return slug if slug[:1].isalpha() else f"form_{slug}"


def _first(title: dict[str, str]) -> str:
    return next(iter(title.values()), "")
