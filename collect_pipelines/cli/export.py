"""`collect export`: what is stored, as a project file."""

from pathlib import Path

import click

from collect_pipelines.cli.connection import transaction
from collect_pipelines.cli.options import json_option, organization_option, pass_settings
from collect_pipelines.cli.output import print_json, say
from collect_pipelines.errors import Invalid
from collect_pipelines.settings import Settings

__all__ = ["command"]

MOST_BYTES = 1024 * 1024  # what one YAML file may have to be read again


@click.command()
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), help="Write collect.yaml and a file per form into this folder.")
@click.option("--force", is_flag=True, help="With --folder: replace files that are there.")
@organization_option
@json_option
@pass_settings
def command(settings: Settings, folder: Path | None, force: bool, organization: str, as_json: bool) -> None:
    """
    Write forms, integrations and keys as a project file; `collect plan` right after finds nothing to change.

    Secrets are references, keys are names: neither is ever in it. Without --folder: one file with everything, to standard output.
    """
    from collect_pipelines.project.exporting import export_project

    with transaction(settings) as connection:
        files = export_project(connection, organization, inline=folder is None)
    if folder is None:
        text = files["collect.yaml"]
        if len(text.encode()) > MOST_BYTES:
            raise Invalid("This is too much for one file.", fix="collect export --folder FOLDER writes a file per form.")
        print_json({"files": files}) if as_json else click.echo(text, nl=False)
        return
    there = [name for name in files if (folder / name).exists()]
    if there and not force:
        raise Invalid(f"{folder} has {', '.join(there[:5])} already.", fix="Choose another folder, or replace them with --force.")
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    if as_json:
        print_json({"folder": str(folder), "files": list(files)})
    else:
        say(f"{len(files)} files written. Next: collect plan {folder / 'collect.yaml'}")
