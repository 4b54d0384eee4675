"""`collect slang`: the lexicon of an organization, and searching with it."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collect_pipelines.cli.connection import transaction
from collect_pipelines.cli.options import json_option, organization_option, pass_settings
from collect_pipelines.cli.output import emit, print_json, say
from collect_pipelines.errors import NotFound
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from collect_pipelines.checks.slang.lexicon import Term
    from collect_pipelines.checks.slang.public_lists import Reading

__all__ = ["command"]

LIST = "slang"
MAX_SKIPPED_SHOWN = 10
EMPTY = "The organization has no slang lexicon. Next: collect slang import --seed, or collect slang import FILE.csv"
FORMAT_NAMES = (
    "csv", "lines", "json", "ldnoobw", "naughty-words", "allprofanity", "profanity-hindi", "cuss", "glin-profanity", "profanity-list",
)  # fmt: skip


@click.group()
def command() -> None:
    """Import slang lexicons, list them, and search texts and stored responses."""


@command.command("import")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--seed", is_flag=True, help="Import the small list of harmless regional words that comes with the product.")
@click.option("--format", "format_name", type=click.Choice(FORMAT_NAMES), help="How the file is written. Default: by its name.")
@click.option("--language", default="", help="BCP-47 language of entries that name none, e.g. hi or hi-Latn.")
@click.option("--region", default="", help="Region of entries that name none, e.g. IN-MH.")
@click.option("--severity", type=click.Choice(("note", "flag", "reject")), help="Severity of entries that name none. Default: note.")
@click.option("--source", default="", help="Where the list comes from: name or address. Default: the name of the format.")
@click.option("--licence", default="", help="Licence under which the list may be used, e.g. CC-BY-4.0.")
@click.option("--add", is_flag=True, help="Keep what the organization has from this source already, instead of replacing it.")
@click.option("--dry-run", is_flag=True, help="Read the file, say what would be imported, and store nothing.")
@organization_option
@json_option
@pass_settings
def import_command(
    settings: Settings,
    file: Path | None,
    seed: bool,
    format_name: str | None,
    language: str,
    region: str,
    severity: str | None,
    source: str,
    licence: str,
    add: bool,
    dry_run: bool,
    organization: str,
    as_json: bool,
) -> None:
    """
    Import a lexicon: the product's CSV, or a published word list of which you know the licence.

    What the organization has from the same source is replaced; other sources stay. Running servers take it up within seconds.
    """
    if (file is None) == (not seed):
        raise click.UsageError("Name a file, or --seed.")
    defaults = {"language": language, "region": region, "severity": severity or "", "source": source, "licence": licence}
    reading = _seed() if file is None else _read(file, format_name or _format_of(file), defaults)
    groups: dict[tuple[str, str], list[Term]] = {}
    for term in reading.terms:
        groups.setdefault((term.source, term.licence), []).append(term)
    if not dry_run:
        with transaction(settings) as connection:
            from collect_pipelines.store.references import add_rows, replace_rows

            write = add_rows if add else replace_rows
            for (origin, terms_of_use), terms in groups.items():
                write(connection, organization, LIST, origin, terms_of_use, [term.as_row() for term in terms])
    _tell_import(groups, reading, organization, dry_run=dry_run, as_json=as_json)


@command.command("list")
@click.option("--language", help="Only entries that are searched where this language is spoken.")
@click.option("--terms", is_flag=True, help="Show each term instead of counting them.")
@organization_option
@json_option
@pass_settings
def list_command(settings: Settings, language: str | None, terms: bool, organization: str, as_json: bool) -> None:
    """List languages, numbers of terms, sources and licences."""
    from collect_pipelines.checks.slang.matching import in_language

    with transaction(settings) as connection:
        from collect_pipelines.store.references import list_references

        sources = {one.source: one for one in list_references(connection, organization, LIST)}
        every = lexicon(connection, organization)
    known = [one for one in every if language is None or in_language(one.language, language)]
    empty = f"The lexicon has no term in {language}. Next: collect slang list" if every else EMPTY
    if terms:
        emit(
            {"terms": [{**term.as_row(), "source": term.source, "licence": term.licence} for term in known]},
            as_json=as_json,
            headings=("term", "language", "region", "severity", "meaning", "variants", "source"),
            rows=[(one.term, one.language, one.region, one.severity, one.meaning, " | ".join(one.variants), one.source) for one in known],
            empty=empty,
        )
        return
    counted = Counter((term.language, term.source) for term in known)
    lists = [
        {"language": tag, "terms": count, "source": source, "licence": sources[source].licence, "imported_at": sources[source].imported_at}
        for (tag, source), count in sorted(counted.items())
    ]
    emit(
        {"organization": organization, "lists": lists},
        as_json=as_json,
        headings=("language", "terms", "source", "licence", "imported (UTC)"),
        rows=[tuple(one.values()) for one in lists],
        empty=empty,
    )


@command.command()
@click.argument("source")
@organization_option
@json_option
@pass_settings
def remove(settings: Settings, source: str, organization: str, as_json: bool) -> None:
    """Remove what was imported from one source."""
    with transaction(settings) as connection:
        from collect_pipelines.store.references import remove_rows

        removed = remove_rows(connection, organization, LIST, source)
    if as_json:
        print_json({"organization": organization, "source": source, "removed": removed})
    else:
        say(f"{removed} terms from {source} removed.")


@command.command()
@click.argument("text", required=False)
@click.option("--form", help="Search the stored responses of this form instead of a text.")
@click.option("--city", help="Only responses with this city: code or label of the choice. Its languages are searched.")
@click.option("--language", "languages", multiple=True, help="BCP-47 language to search; repeatable. Default: the city's, or all.")
@click.option("--stored", is_flag=True, help="With --form: show what was found when the responses came in, without searching again.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000), help="At most so many finds.")
@organization_option
@json_option
@pass_settings
def search(
    settings: Settings,
    text: str | None,
    form: str | None,
    city: str | None,
    languages: tuple[str, ...],
    stored: bool,
    limit: int,
    organization: str,
    as_json: bool,
) -> None:
    """
    Search a text, or the stored responses of a form, for slang.

    TEXT is searched as it is; `-` reads standard input. A fresh search uses today's lexicon, also for old responses; `noted` says
    whether the find was there when the response came in. Deleted and superseded revisions are left out.
    """
    if (text is None) == (form is None):
        raise click.UsageError("Give a text, or --form with the form whose responses to search.")
    if form is None and (city or stored):
        raise click.UsageError("--city and --stored need --form.")
    if form is None:
        whole = sys.stdin.read() if text == "-" else text or ""
        found = _search_text(settings, whole, languages, organization)[:limit]
    else:
        from collect_pipelines.cli.slang_responses import search_form

        with transaction(settings) as connection:
            found = search_form(connection, form, city, languages, limit, stored=stored)
    shown = ("response", "question", "term", "span", "language", "severity", "meaning", "noted")
    emit(
        {"found": found},
        as_json=as_json,
        headings=shown if form else shown[2:7],
        rows=[[_cell(one.get(name)) for name in (shown if form else shown[2:7])] for one in found],
        empty="No slang found.",
    )
    if len(found) == limit:
        say(f"There may be more: the first {limit} are shown. Next: --limit {limit * 10}")


def lexicon(connection: "Connection", organization: str) -> list["Term"]:
    """The organization's terms; empty when it has none."""
    from collect_pipelines.checks.slang.lexicon import Term
    from collect_pipelines.store.organizations import DEFAULT_ORGANIZATION, organization_id_of
    from collect_pipelines.store.references import read_rows

    try:
        number = organization_id_of(connection, organization)
    except NotFound:
        if organization == DEFAULT_ORGANIZATION:  # nothing was published or imported yet: no mistake in the command
            return []
        raise
    return [Term.of_row(row) for row in read_rows(connection, number, LIST)]


def _search_text(settings: Settings, text: str, languages: tuple[str, ...], organization: str) -> list[dict[str, Any]]:
    from collect_pipelines.checks.slang.check import finding_data
    from collect_pipelines.checks.slang.matching import Matcher

    with transaction(settings) as connection:
        terms = lexicon(connection, organization)
    if not terms:
        raise NotFound("The organization has no slang lexicon.", fix="collect slang import --seed, or collect slang import FILE.csv")
    wanted = languages or tuple(dict.fromkeys(term.language for term in terms))
    return [finding_data(hit) for hit in Matcher(terms).find(text, wanted)]


def _seed() -> "Reading":
    from importlib.resources import files

    from collect_pipelines.checks.slang.lexicon import read_lexicon
    from collect_pipelines.checks.slang.public_lists import Reading

    content = files("collect_pipelines.checks.slang").joinpath("seed.csv").read_bytes()
    return Reading(read_lexicon(content, "seed.csv"), [])


def _read(file: Path, format_name: str, defaults: dict[str, str]) -> "Reading":
    from collect_pipelines.checks.slang.lexicon import MAX_BYTES, Defaults
    from collect_pipelines.checks.slang.public_lists import read_list

    with file.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)  # one byte more tells that it is too large
    return read_list(content, file.name, format_name, Defaults(**defaults))


def _format_of(file: Path) -> str:
    return {".csv": "csv", ".json": "json", ".js": "allprofanity", ".mjs": "allprofanity", ".ts": "allprofanity"}.get(file.suffix, "lines")


def _tell_import(
    groups: dict[tuple[str, str], list["Term"]], reading: "Reading", organization: str, *, dry_run: bool, as_json: bool
) -> None:
    lists: list[dict[str, Any]] = [
        {"source": source, "licence": licence, "terms": len(terms), "languages": sorted({term.language for term in terms})}
        for (source, licence), terms in groups.items()
    ]
    if as_json:
        told = {"skipped": reading.skipped, "notes": reading.notes}
        print_json({"organization": organization, "imported": not dry_run, "lists": lists, **told})
        return
    for one in lists:
        done = "would be imported" if dry_run else "imported"
        say(f"{one['terms']} terms ({', '.join(one['languages'])}) {done} from {one['source']}, licence {one['licence']}.")
    for before, lines in (("left out: ", reading.skipped), ("", reading.notes)):
        for line in lines[:MAX_SKIPPED_SHOWN]:
            say(f"  {before}{line}")
        if len(lines) > MAX_SKIPPED_SHOWN:
            say(f"  and {len(lines) - MAX_SKIPPED_SHOWN} more; --json shows them all")
    if not dry_run:
        say("Next: collect slang list; a form searches with `checks: {slang: {config: {city: ...}}}`")


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return "-".join(map(str, value))
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
