"""`collect plugins`: what is installed, how it is configured, and how to make one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collect_pipelines.cli.options import json_option, pass_settings
from collect_pipelines.cli.output import emit, print_facts, print_json, print_table, say
from collect_pipelines.cli.progress import progress
from collect_pipelines.errors import Invalid, NotFound
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.cli.plugin_facts import PluginFacts
    from collect_pipelines.cli.plugin_skeletons import Written
    from collect_pipelines.cli.plugin_suites import Result

__all__ = ["command"]


door_option = click.option(
    "--door", type=click.Choice(["check", "destination"]), help="Which of the two, where a check and a destination have one name."
)


@click.group()
def command() -> None:
    """List, show, test and start plug-ins: checks and destinations."""


@command.command("list")
@json_option
@pass_settings
def list_command(settings: Settings, as_json: bool) -> None:
    """List the installed checks and destinations: where each runs, and whether it can."""
    from collect_pipelines.cli.plugin_facts import facts_of

    plugins = list(_installed())
    if not as_json:
        say(f"Importing {len(plugins)} plug-ins, those of others each in a process of its own, to see whether they can be used.")
    with progress("Imported", len(plugins), quiet=as_json) as shown:
        found = facts_of(plugins, told=lambda one: shown.advance(1, one.kind))
    documents = [_document(settings, one) for one in found]
    emit(
        {"plugins": documents},
        as_json=as_json,
        headings=("kind", "is a", "package", "version", "runs", "what it does"),
        rows=[
            (
                one["kind"],
                one["door"],
                one["distribution"],
                one["version"],
                one["runs"],
                f"unavailable: {one['problem']}" if one["problem"] else one["summary"],
            )
            for one in documents
        ],
        empty="No plug-in is installed. Next: pip install --force-reinstall collect-pipelines",
    )


@command.command()
@click.argument("kind")
@door_option
@json_option
@pass_settings
def show(settings: Settings, kind: str, door: str | None, as_json: bool) -> None:
    """Show what a KIND is for, every field of its configuration, and an example."""
    from collect_pipelines.cli.plugin_examples import default_words, example_of
    from collect_pipelines.cli.plugin_facts import facts_of

    found = facts_of(_of_kind(kind, door))
    if as_json and len(found) > 1:
        raise Invalid(f"{kind} is a check and a destination.", fix="Say which: --door check, or --door destination.")
    for one in found:
        document = _document(settings, one)
        example = "" if one.problem else example_of(one)
        if as_json:
            print_json({**document, "fields": one.facts.get("fields", []), "example": example})
            continue
        print_facts({"kind": kind, "is a": one.door, "package": f"{one.distribution} {one.version}", "runs": document["runs"]})
        if one.problem:
            raise Invalid(one.problem)
        click.echo(f"\n{one.facts['doc']}\n")
        fields = [(item["name"], item["type"], default_words(item), item["description"]) for item in one.facts["fields"]]
        if fields:
            print_table(("setting", "type", "default", "meaning"), fields)
        else:
            say("It has no settings.")
        click.echo(f"\n{example}")


@command.command()
@click.argument("kind")
@door_option
def docs(kind: str, door: str | None) -> None:
    """Print the reference page of a KIND, in Markdown."""
    from collect_pipelines.cli.plugin_facts import facts_of
    from collect_pipelines.cli.plugin_pages import page

    for one in facts_of(_of_kind(kind, door)):
        if one.problem:
            raise Invalid(one.problem)
        click.echo(page(one))


@command.group()
def new() -> None:
    """Write the package of a new plug-in, ready to be installed and tested."""


@new.command("check")
@click.argument("name")
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
@json_option
def new_check(name: str, folder: Path | None, as_json: bool) -> None:
    """Write a package with a check called NAME into FOLDER (default: collect-check-NAME)."""
    from collect_pipelines.cli.plugin_skeletons import write_check

    _tell_written(name, write_check(name, folder), as_json)


@new.command("destination")
@click.argument("name")
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
@json_option
def new_destination(name: str, folder: Path | None, as_json: bool) -> None:
    """Write a package with a destination called NAME into FOLDER (default: collect-destination-NAME)."""
    from collect_pipelines.cli.plugin_skeletons import write_destination

    _tell_written(name, write_destination(name, folder), as_json)


def _tell_written(name: str, written: "Written", as_json: bool) -> None:
    if as_json:
        print_json({"kind": name, "folder": str(written.folder), "files": [str(path) for path in written.files]})
        return
    for path in written.files:
        click.echo(written.folder / path)
    say(f"Next: pip install -e {written.folder} && collect plugins test {written.folder}, then edit {written.code}")


@command.command()
@click.argument("target", metavar="KIND-OR-FOLDER")
@door_option
@click.option("--config", help="Configuration as JSON, for a KIND; else its defaults.")
@click.option("--only", metavar="WORDS", help="Only requirements with these words in them, e.g. 'killed'.")
@click.option("--form", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Form it is tried on, for a KIND.")
@json_option
def test(target: str, door: str | None, config: str | None, only: str | None, form: Path | None, as_json: bool) -> None:
    """
    Run the conformance suite against an installed check or destination, or against the package in a folder.

    In a folder the suites in tests/ are run, with their configurations and examples. In the --config of a destination {address} is the
    address of a receiver of the suite's own, {folder} a folder, and {secret} a reference to a secret.
    """
    from collect_pipelines.cli.plugin_suites import run_suites, suite_of_kind, suites_in

    suites = suites_in(Path(target)) if Path(target).is_dir() else [suite_of_kind(target, _read_config(config), form, door)]
    results = []
    for result in run_suites(suites, only or ""):
        results.append(result)
        if not as_json:
            click.echo(f"{_mark(result)} {result.suite}: {result.sentence}")
            if result.failure is not None:
                click.echo(f"       {result.failure}")
    if not results:
        raise NotFound(f"No requirement has the words {only!r}.", fix="Leave --only out to see all of them.")
    failed = [result for result in results if result.failure is not None]
    if as_json:
        print_json({"passed": len(results) - len(failed), "failed": len(failed), "results": results})
    if failed:
        page = "docs/checks.md and docs/destinations.md explain"
        raise Invalid(f"{len(failed)} of {len(results)} requirements are not met.", fix=f"{page} them.")
    if not as_json:
        concerned = [result for result in results if result.left_out is None]
        others = f"; {len(results) - len(concerned)} do not concern it" if len(concerned) < len(results) else ""
        say(f"{len(concerned)} requirements are met{others}.")


def _mark(result: "Result") -> str:
    if result.failure is not None:
        return "FAILED"
    return "ok    " if result.left_out is None else "-     "


def _installed() -> Iterator[tuple[str, Any]]:
    from collect_pipelines import plugins
    from collect_pipelines.cli.plugin_facts import GROUPS

    for door, group in GROUPS.items():
        yield from ((door, plugin) for plugin in plugins.installed(group))


def _of_kind(kind: str, door: str | None) -> list[tuple[str, Any]]:
    found = [one for one in _installed() if one[1].kind == kind and door in (None, one[0])]
    if not found:
        raise _unknown(kind)
    return found


def _document(settings: Settings, one: "PluginFacts") -> dict[str, Any]:
    from collect_pipelines.cli.plugin_facts import place_of

    return {
        "kind": one.kind,
        "door": one.door,
        "distribution": one.distribution,
        "version": one.version,
        "runs": place_of(one, settings.trusted_plugins),
        "state": "unavailable" if one.problem else "available",
        "problem": one.problem,
        "summary": one.facts.get("summary", ""),
    }


def _read_config(text: str | None) -> dict[str, Any]:
    try:
        config = json.loads(text or "{}")
    except json.JSONDecodeError as exc:
        raise Invalid(f"--config is not JSON: {exc.msg} at column {exc.colno}.", fix='Write it like \'{"region": "IN"}\'.') from exc
    if not isinstance(config, dict):
        raise Invalid("--config is not a JSON object.", fix='Write it like \'{"region": "IN"}\'.')
    return config


def _unknown(kind: str) -> NotFound:
    kinds = ", ".join(plugin.kind for _, plugin in _installed())
    return NotFound(f"No plug-in of kind {kind!r} is installed.", fix=f"Installed: {kinds}.")
