"""`collect forms diff`: what a new version changes, before or after it is published."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collect_pipelines.cli.connection import transaction
from collect_pipelines.cli.options import json_option, pass_settings
from collect_pipelines.cli.output import print_json, say
from collect_pipelines.errors import FormIncompatible, Invalid, NotFound
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.forms.definition import FormDefinition
    from collect_pipelines.forms.diff import Change, Difference

__all__ = ["diff"]

VERSION = re.compile(r"v?([1-9][0-9]{0,8})", re.IGNORECASE)
SIGNS = {"added": "+", "restored": "+", "removed": "-", "retired": "-"}
USAGE = "Write `collect forms diff FORM v1 v2`, `collect forms diff FORM FILE` or `collect forms diff OLD_FILE NEW_FILE`."


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two definitions and what it is called."""

    name: str
    definition: "FormDefinition"
    version: int | None = None


@click.command()
@click.argument("what", nargs=-1, required=True, metavar="FORM OLD NEW | FORM FILE | OLD_FILE NEW_FILE")
@json_option
@pass_settings
def diff(settings: Settings, what: tuple[str, ...], as_json: bool) -> int:
    """Show what changed between two versions of a form, and what that means for sheets and tables."""
    from collect_pipelines.forms.diff import compare

    old, new, earlier = _sides(settings, what)
    difference = compare(old.definition, new.definition, earlier)
    if as_json:
        form = new.definition.form
        print_json({"form": form, "old": old.name, "new": new.name, **{name: getattr(difference, name) for name in difference.__slots__}})
    else:
        _tell(old, new, difference)
    return FormIncompatible.exit_code if difference.refused else 0


def _sides(settings: Settings, what: Sequence[str]) -> tuple[_Side, _Side, "list[FormDefinition] | None"]:
    """The two definitions, and every version published before the new one when the form is published."""
    if len(what) == 2 and all(map(_is_file, what)):
        return _read(what[0]), _read(what[1]), None
    if len(what) not in (2, 3) or (len(what) == 2 and not _is_file(what[1])):
        raise Invalid("Two versions of a form are compared.", fix=USAGE)
    published = _published(settings, what[0])
    old = _side(what[1], published) if len(what) == 3 else published[-1]
    new = _side(what[-1], published)
    until = len(published) if new.version is None else max(new.version - 1, old.version or 0)
    return old, new, [side.definition for side in published[:until]]


def _published(settings: Settings, form: str) -> list[_Side]:
    with transaction(settings) as connection:
        from collect_pipelines.store.forms import find_form, form_versions

        record = find_form(connection, form)
        versions = form_versions(connection, record.form_id)
    return [_Side(f"version {one.version}", one.definition, one.version) for one in versions]


def _side(text: str, published: Sequence[_Side]) -> _Side:
    """`v1`, `1` or a file."""
    number = VERSION.fullmatch(text)
    if number is not None:
        found = next((side for side in published if side.version == int(number.group(1))), None)
        if found is None:
            raise NotFound(f"The form has no version {number.group(1)}.", fix=f"It has the versions 1 to {len(published)}.")
        return found
    if _is_file(text):
        return _read(text)
    raise Invalid(f"{text!r} is neither a version such as v1 nor a file.", fix=USAGE)


def _is_file(text: str) -> bool:
    return Path(text).is_file()


def _read(text: str) -> _Side:
    from collect_pipelines.forms.reading import read_form

    try:
        return _Side(text, read_form(Path(text).read_text("utf-8"), text))
    except UnicodeDecodeError as exc:
        raise Invalid(f"{text} is not UTF-8.", fix="Save the form file as UTF-8.") from exc


def _tell(old: _Side, new: _Side, difference: "Difference") -> None:
    click.echo(f"{new.definition.form}: {old.name} -> {new.name}")
    if not difference.changes:
        click.echo("Nothing changed.")
        return
    click.echo()
    for change in difference.changes:
        click.echo(f"  {_sign(change)} {change.subject}: {change.text}{f' ({change.direction})' if change.direction else ''}")
    click.echo("\nFor sheets and tables:")
    for sentence in difference.destinations:
        click.echo(f"  {sentence}")
    if difference.refused:
        click.echo("\nPublishing refuses:")
        for problem in difference.refused:
            click.echo(f"  ! {problem}")
        say("Next: make the changes named above to the form file.")
    elif new.version is None:
        say(f"Next: collect forms publish {new.name}")


def _sign(change: "Change") -> str:
    return "!" if change.refused else SIGNS.get(change.kind.rpartition(".")[2], "~")
