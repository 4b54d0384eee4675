"""The reference page of a kind, written from its class and its `Config`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from collect_pipelines.cli.plugin_examples import default_words, example_of
from collect_pipelines.cli.plugin_facts import PluginFacts, facts_here

__all__ = ["index_page", "page", "reference_pages"]

GUARANTEES = {
    "exactly_once": "exactly once: after a crash or a lost answer the same response is there once",
    "at_least_once": "at least once: after a lost answer it may come again, with the same key, so that the receiver can tell",
    "at_most_once": "at most once: it never comes twice; what is uncertain is listed for a person",
}
VALUES = {"typed": "what machines read: codes, lists, timestamps", "display": "what people read: labels, joined choices"}
DELETES = {
    "delete": "`delete` removes it",
    "tombstone": "`tombstone` says so and keeps no answers",
    "clear": "`clear` empties all of it",
}
INDEX = """\
# Reference of checks and destinations

Written by `make docs` from the classes themselves. `collect plugins docs KIND` prints the page of any installed kind, also of those that
are not the product's own.

| kind | is a | what it does |
| --- | --- | --- |
"""


def page(one: PluginFacts) -> str:
    """The page of a plug-in that can be used."""
    facts = one.facts
    lines = [f"# {one.kind}", "", f"A {one.door} of {one.distribution}. Written by `make docs` from its class.", "", str(facts["doc"]), ""]
    if one.door == "destination":
        lines += [*_table(("", ""), _destination_rows(facts)), ""]
    elif facts["references"]:
        lines += [f"It reads the reference lists {', '.join(facts['references'])}.", ""]
    lines += ["## Settings", ""]
    rows = list(_settings(facts["fields"]))
    lines += _table(("setting", "type", "default", "meaning"), rows) if rows else ["It has none."]
    language = "sh" if one.door == "destination" else "yaml"
    lines += ["", "## Example", "", f"```{language}", example_of(one), "```", ""]
    if one.door == "destination":
        lines += ["Filter, columns, masks, start and what a deletion does are said with the integration, for every kind alike.", ""]
    return "\n".join(lines)


def reference_pages() -> dict[str, str]:
    """Path below docs/reference and text of the page of every kind of our own, and of their list."""
    from collect_pipelines import plugins
    from collect_pipelines.cli.plugin_facts import GROUPS

    kinds = [(door, plugin) for door, group in GROUPS.items() for plugin in plugins.installed(group)]
    found = [facts_here(door, plugin) for door, plugin in kinds if plugin.distribution == plugins.OWN_DISTRIBUTION]
    pages = {f"{one.door}s/{one.kind}.md": page(one) for one in found}
    return {"README.md": index_page(found), **pages}


def index_page(found: Sequence[PluginFacts]) -> str:
    """The list of all kinds."""
    rows = (f"| [{one.kind}]({one.door}s/{one.kind}.md) | {one.door} | {_cell(one.facts['summary'])} |\n" for one in found)
    return INDEX + "".join(rows)


def _destination_rows(facts: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    yield "guarantee", GUARANTEES[facts["guarantee"]]
    yield "an edit", "changes the row of its response" if "upsert" in facts["supports"] else "comes as a revision of its own, or not at all"
    deletes = ", ".join(DELETES[name] for name in facts["deletes"])
    yield "a deletion", f"{deletes}; `ignore` leaves it" if deletes else "does not show"
    yield "append-only", "every revision can be a row of its own" if "append" in facts["supports"] else "no"
    yield "answers", VALUES[facts["values"]]
    yield "a batch", f"up to {facts['max_rows']:,} responses or {facts['max_bytes'] / 1e6:g} MB" + _pause(facts["min_interval_seconds"])


def _pause(seconds: float) -> str:
    return f", at most every {seconds:g} s" if seconds else ""


def _settings(fields: Sequence[Mapping[str, Any]], before: str = "") -> Iterator[tuple[str, ...]]:
    for item in fields:
        name = f"{before}{item['name']}"
        default = default_words(item)
        yield f"`{name}`", item["type"], default if default in ("-", "required") else f"`{default}`", item["description"]
        yield from _settings(item["fields"], f"{name}.")


def _table(headings: Sequence[str], rows: Sequence[tuple[str, ...]] | Iterator[tuple[str, ...]]) -> list[str]:
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return [f"| {' | '.join(headings)} |", f"| {' | '.join('---' for _ in headings)} |", *lines]


def _cell(text: str) -> str:
    """A text that can't end its cell."""
    return text.replace("|", "\\|").replace("\n", " ")
