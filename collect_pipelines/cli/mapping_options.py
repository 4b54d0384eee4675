"""The options of `integrations add` and `set` that say which responses and columns go out, and how they look."""

import re
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

import click

from collect_pipelines.errors import ConfigInvalid

__all__ = ["changed_document", "changed_language", "mapping_options"]

P = ParamSpec("P")
R = TypeVar("R")

DEFAULT = "default"

_SECOND_HEADING = re.compile(r",\s*\w+=")


def mapping_options(function: Callable[P, R]) -> Callable[P, R]:
    """Every option of a mapping; `changed_document` takes what they hold."""
    options = (
        click.option("--filter", "filter_", metavar="EXPRESSION", help="Only responses for which it is true. Empty: all."),
        click.option(
            "--columns", multiple=True, metavar="KEY,...", help="Only these questions, in this order; KEY=HEADING names one. Empty: all."
        ),
        click.option("--exclude", multiple=True, metavar="KEY,...", help="Questions that stay behind. Empty: none."),
        click.option("--values", type=click.Choice(["labels", "codes", DEFAULT]), help="What stands for a choice."),
        click.option("--language", help="Language of headings and labels, e.g. hi. Default: English, else the form's first."),
        click.option("--time-zone", help="Zone in which moments are shown, e.g. Asia/Kolkata. Default: the form's."),
        click.option(
            "--mask",
            multiple=True,
            metavar="KEY=MASK",
            help="What goes out instead of an answer: hash, last4, year, drop, or none (as it is). May be repeated.",
        ),
        click.option("--append-only/--upsert", default=None, help="A row per revision, or one per response that edits change."),
        click.option("--on-delete", metavar="WHAT", help="What a deletion does: delete, tombstone, clear (what the kind knows) or ignore."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def changed_document(before: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """The mapping as a document, with what the options say; an option that was not given leaves its field as it was."""
    changes: dict[str, Any] = {}
    if options["filter_"] is not None:
        changes["filter"] = options["filter_"] or None
    if options["columns"]:
        changes["columns"] = list(_columns(options["columns"])) or None
    if options["exclude"]:
        changes["exclude"] = _keys(options["exclude"])
    for name in ("values", "time_zone", "on_delete"):
        if options[name] is not None:
            changes[name] = None if options[name] in ("", DEFAULT) else options[name]
    if options["mask"]:
        masks = {**before.get("masks", {}), **dict(map(_mask, options["mask"]))}
        changes["masks"] = {key: mask for key, mask in masks.items() if mask != "none"}
    if options["append_only"] is not None:
        changes["mode"] = "append_only" if options["append_only"] else "upsert"
    return {name: value for name, value in {**before, **changes}.items() if value is not None}


def changed_language(before: str | None, option: str | None) -> str | None:
    """The language, with what `--language` says."""
    if option is None:
        return before
    return None if option in ("", DEFAULT) else option


def _columns(texts: Iterable[str]) -> Iterable[dict[str, str]]:
    for text in texts:
        key, equals, heading = text.partition("=")
        if _SECOND_HEADING.search(heading):
            raise ConfigInvalid(
                f"--columns {text!r} gives more than one heading.",
                fix="Write each by itself, for example --columns name=Who --columns age=Years",
            )
        if equals and heading.strip():
            yield {"question": key.strip(), "heading": heading.strip()}
        elif equals:
            yield {"question": key.strip()}
        else:
            yield from ({"question": name} for name in _keys([text]))


def _keys(texts: Iterable[str]) -> list[str]:
    return [name for text in texts for name in text.replace(",", " ").split()]


def _mask(text: str) -> tuple[str, str]:
    key, equals, mask = text.partition("=")
    if not equals:
        raise ConfigInvalid(f"--mask {text!r} is not KEY=MASK.", fix="Write for example --mask phone=last4")
    return key.strip(), mask.strip()
