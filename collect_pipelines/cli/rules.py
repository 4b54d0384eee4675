"""`collect rules`: what the rules of a form say, and what they would have said."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collect_pipelines.cli.connection import open_database, transaction
from collect_pipelines.cli.options import json_option, pass_settings
from collect_pipelines.cli.output import emit, print_facts, print_json, say
from collect_pipelines.errors import Invalid, NotFound
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.forms.definition import FormDefinition
    from collect_pipelines.validation.listing import ListedRule
    from collect_pipelines.validation.trial import Trial, Tried

__all__ = ["command"]

FILES = click.Path(exists=True, dir_okay=False, readable=True, path_type=Path)
LAST = "last:"
DONE = {"reject": "would have rejected", "flag": "would have flagged", "note": "would have noted"}
FORM_FILES = (".yaml", ".yml", ".json")
MOST_TEXT = 120  # characters of an expression in a table; `show` and --json have all of it

definition_option = click.option(
    "--definition", "file", type=FILES, help="A form file, published or not, instead of the form's newest version."
)


@click.group()
def command() -> None:
    """List the rules of a form, show one, and try them on responses."""


@command.command("list")
@click.argument("form")
@definition_option
@json_option
@pass_settings
def list_command(settings: Settings, form: str, file: Path | None, as_json: bool) -> None:
    """List every rule of a form, or of a form file (.yaml), those of its questions included: what must be true, severity, placement."""
    from collect_pipelines.validation.listing import listed_rules

    form, definition = _named(settings, form, file)
    rules = listed_rules(definition)
    emit(
        {"rules": rules},
        as_json=as_json,
        headings=("rule", "severity", "placement", "must be true"),
        rows=[(rule.name, rule.severity, rule.placement, _short(rule.text)) for rule in rules],
        empty=f"{form} has no rules.",
    )


@command.command()
@click.argument("form")
@click.argument("rule")
@definition_option
@json_option
@pass_settings
def show(settings: Settings, form: str, rule: str, file: Path | None, as_json: bool) -> None:
    """Show one rule of a form: RULE is its name as `collect rules list` has it."""
    from collect_pipelines.validation.listing import listed_rules

    name, definition = _named(settings, form, file)
    found = next((one for one in listed_rules(definition) if one.name in (rule, f"rule.{rule}")), None)
    if found is None:
        raise NotFound(f"The form {name} has no rule {rule}.", fix=f"`collect rules list {form}` names them.")
    document = _whole(definition, found)
    if as_json:
        print_json(document)
    else:
        print_facts({name: ", ".join(value) if isinstance(value, tuple) else value for name, value in document.items()})


@command.command()
@click.argument("form")
@click.option("--against", default="last:1000", show_default=True, help="`last:N` entries of the form's log, or a file: CSV or NDJSON.")
@click.option("--rule", help="Only this rule, as `collect rules list` names it.")
@definition_option
@click.option("--show-values", is_flag=True, help="Print the answers concerned, too. They may be personal.")
@json_option
@pass_settings
def test(settings: Settings, form: str, against: str, rule: str | None, file: Path | None, show_values: bool, as_json: bool) -> None:
    """
    Say what the rules of a form would have done with responses that are there already. Nothing is stored or changed.

    The rules need not be published: name a form file (.yaml) instead of a form, or beside it with --definition, and see what they
    would reject before they do.
    """
    from collect_pipelines.validation.trial import Trial

    form, definition = _named(settings, form, file)
    trial = Trial(definition, rule)
    _run(settings, form, definition, trial, against)
    if as_json:
        print_json(_document(trial, show_values))
        return
    for tried in trial.result():
        click.echo(f"{tried.name}: {_told(tried, trial.responses)}")
        for example in tried.examples:
            shown = [f"{key}={_line(value)}" for key, value in example.values.items()] if show_values else tried.questions
            click.echo(f"    {_line(example.response_id)}: {', '.join(shown)}")
    say(f"All rules together {DONE['reject']} {_of(trial.rejected, trial.responses)} responses.")


def _named(settings: Settings, form: str, file: Path | None) -> tuple[str, "FormDefinition"]:
    """Name of the form whose responses are meant, and the definition whose rules are."""
    if file is None and form.lower().endswith(FORM_FILES) and Path(form).is_file():
        definition = _read(Path(form))
        return definition.form, definition
    if file is None:
        return form, _newest(settings, form)
    definition = _read(file)
    if definition.form != form:
        say(f"# {file} is the form {definition.form}; its rules are read, and the responses are those of {form}")
    return form, definition


def _read(file: Path) -> "FormDefinition":
    from collect_pipelines.forms.reading import read_form

    return read_form(file.read_bytes(), str(file))


def _newest(settings: Settings, form: str) -> "FormDefinition":
    with transaction(settings) as connection:
        from collect_pipelines.store.forms import find_form, form_versions

        return form_versions(connection, find_form(connection, form).form_id)[-1].definition


def _run(settings: Settings, form: str, definition: "FormDefinition", trial: "Trial", against: str) -> None:
    from collect_pipelines.sync.rule_trial import try_on_documents, try_on_log

    if not against.startswith(LAST):
        from collect_pipelines.cli.answer_files import read_documents

        path = Path(against)
        if not path.is_file():
            raise NotFound(f"There is no file {against}.", fix="Give a CSV or NDJSON file, or last:1000 for the newest responses.")
        try_on_documents(trial, definition, read_documents(path, definition))
        return
    number = against.removeprefix(LAST)
    if not number.isascii() or not number.isdigit() or int(number) < 1:
        raise Invalid(f"{against} names no number of responses.", fix="Write last:1000, say.")
    with open_database(settings) as database:
        from collect_pipelines.store.forms import find_form

        with database.begin() as connection:
            record = find_form(connection, form)
        try_on_log(database, record, trial, definition, int(number))


def _told(tried: "Tried", responses: int) -> str:
    told = f"{DONE[tried.severity]} {_of(tried.broken, responses)}"
    if tried.note is None:
        return told
    return f"{told}, {tried.note}" if tried.note.startswith("compared") else tried.note


def _of(part: int, whole: int) -> str:
    share = f" ({part / whole:.1%})".replace("%", " %") if whole else ""
    return f"{part:,} of {whole:,}{share}"


def _document(trial: "Trial", show_values: bool) -> dict[str, Any]:
    rules = [
        {
            "rule": tried.name,
            "severity": tried.severity,
            "questions": tried.questions,
            "broken": tried.broken,
            "note": tried.note,
            "first": [{"id": one.response_id} | ({"values": one.values} if show_values else {}) for one in tried.examples],
        }
        for tried in trial.result()
    ]
    return {"responses": trial.responses, "rejected": trial.rejected, "rules": rules}


def _whole(definition: "FormDefinition", found: "ListedRule") -> dict[str, Any]:
    document: dict[str, Any] = {
        "rule": found.name,
        "kind": found.kind,
        "must be true": found.text,
        "severity": found.severity,
        "placement": found.placement,
        "questions": found.questions,
    }
    rule = next((one for one in definition.rules if f"rule.{one.name}" == found.name), None)
    if rule is not None:
        shown = {"expression", "on_missing", "unique", "at_least", "factor", "tolerance", "last", "min_rows"}
        document |= {name: value for name, value in rule.model_dump(exclude_unset=True).items() if name in shown}
        document |= {f"message ({language})": text for language, text in rule.message.items()}
    return document


def _line(text: str | None) -> str:
    """An answer on one line: what a stranger wrote must not steer the terminal. `-` is no answer."""
    return "-" if text is None else "".join(character if character.isprintable() else " " for character in text)


def _short(text: str) -> str:
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT - 1]}…"
