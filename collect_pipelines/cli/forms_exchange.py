"""`collect forms import` and `collect forms export`: forms from spreadsheets, and back."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collect_pipelines.cli.connection import transaction
from collect_pipelines.cli.options import json_option, pass_settings
from collect_pipelines.cli.output import print_json, say
from collect_pipelines.errors import Invalid, NotFound
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.forms.definition import FormDefinition
    from collect_pipelines.forms.xlsform.exporting import Format

__all__ = ["export", "import_command", "is_terminal"]

FORM_FILES = (".yaml", ".yml", ".json")


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--form", "slug", help="Slug of the form. Default: the workbook's form_id, else the file's name.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: standard output.")
@json_option
def import_command(file: Path, slug: str | None, output: Path | None, as_json: bool) -> None:
    """Write a form definition from an XLSForm workbook (.xlsx, .xls or .csv), and tell what it does not take over."""
    from collect_pipelines.forms.writing import write_form
    from collect_pipelines.forms.xlsform.importing import import_form

    imported = import_form(file, slug)
    text = write_form(imported.definition)
    if output:
        output.write_text(text, "utf-8")
    if as_json:
        notes = [
            {
                "sheet": note.cell.sheet if note.cell else None,
                "row": note.cell.row if note.cell else None,
                "column": note.cell.column if note.cell else None,
                "text": note.text or None,
                "message": note.message,
            }
            for note in imported.notes
        ]
        print_json({"form": imported.definition.form, "notes": notes, "definition": text})
    else:
        if not output:
            click.echo(text, nl=False)
        for note in imported.notes:
            say(f"# {note}")
    if output:
        count = len(imported.notes)
        noted = f" Read the {'note' if count == 1 else f'{count} notes'} above." if count and not as_json else ""
        say(f"Written to {output}.{noted} Next: collect forms publish {output}")


@click.command()
@click.argument("form")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["xlsform", "xform", "jsonschema"]),
    default="xlsform",
    show_default=True,
    help="An XLSX workbook, an XForm (XML), or the JSON Schema of answers.",
)
@click.option("--version", type=int, help="Of a published form. Default: the newest.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Default: standard output; a workbook needs it.")
@json_option
@pass_settings
def export(settings: Settings, form: str, kind: "Format", version: int | None, output: Path | None, as_json: bool) -> None:
    """Write FORM, a published form or a form file (.yaml), as an XLSForm, an XForm or a JSON Schema."""
    from collect_pipelines.forms.xlsform.exporting import export_form

    if kind == "xlsform" and output is None and (as_json or is_terminal()):
        raise Invalid("A workbook can't be shown as text.", fix=f"Name the file it goes to: -o {Path(form).stem}.xlsx")
    exported = export_form(_definition(settings, form, version), kind)
    if output:
        output.write_bytes(exported.content)
    if as_json:
        facts = {"form": exported.form, "format": kind, "output": output, "bytes": len(exported.content), "notes": exported.notes}
        print_json(facts if output else {**facts, "content": exported.content.decode()})
        return
    if not output:
        click.echo(exported.content, nl=False)
    for note in exported.notes:
        say(f"# {note}")
    if output:
        say(f"Written to {output}.")


def is_terminal() -> bool:
    """Whether standard output is shown to a person."""
    return sys.stdout.isatty()


def _definition(settings: Settings, form: str, version: int | None) -> "FormDefinition":
    from collect_pipelines.forms.reading import read_form

    path = Path(form)
    if path.suffix.lower() in FORM_FILES and path.is_file():
        try:
            return read_form(path.read_text("utf-8"), form)
        except UnicodeDecodeError as exc:
            raise Invalid(f"{form} is not UTF-8.", fix="Save the form file as UTF-8.") from exc
    with transaction(settings) as connection:
        from collect_pipelines.store.forms import find_form, form_versions

        record = find_form(connection, form)
        versions = {one.version: one.definition for one in form_versions(connection, record.form_id)}
    wanted = record.version if version is None else version
    if wanted not in versions:
        raise NotFound(f"Form {form} has no version {version}.", fix=f"It has the versions 1 to {record.version}.")
    return versions[wanted]
