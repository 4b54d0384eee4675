"""Slang in the stored responses of a form: what was found when they came in, and what today's lexicon finds."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection

from collect_pipelines.checks.slang.check import CODE, SlangCheck, SlangConfig, finding_data
from collect_pipelines.checks.slang.lexicon import Term
from collect_pipelines.checks.slang.matching import Matcher, in_language
from collect_pipelines.checks.slang.texts import languages_of_city, own_texts
from collect_pipelines.errors import Invalid, NotFound
from collect_pipelines.forms.definition import FormDefinition, Question
from collect_pipelines.store.forms import find_form, form_versions
from collect_pipelines.store.log import StoredEntry, batch_end, list_responses, newest_response
from collect_pipelines.store.references import read_rows

__all__ = ["search_form"]

# One page of the log in memory.
PAGE_ROWS = 500
PAGE_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Version:
    """How responses of one version are searched."""

    definition: FormDefinition
    config: SlangConfig
    cities: frozenset[str] | None
    """Codes of the city asked for; None is every response."""


def search_form(
    connection: Connection, reference: str, city: str | None, languages: Sequence[str], limit: int, *, stored: bool
) -> list[dict[str, Any]]:
    """
    The finds in the newest revisions of the form's responses, in order of their positions, `limit` at most.

    city: code or label of a choice. languages: instead of those of the answered city. stored: what the check noted, not searched again.
    Raises NotFound for a form, city or lexicon that is not there, and Invalid when nothing says which languages to search.
    """
    record = find_form(connection, reference)
    versions = {one.version: _version(one.definition, city) for one in form_versions(connection, record.form_id)}
    _refuse_unknown(versions[record.version], versions, city, languages, stored=stored)
    terms = [] if stored else [Term.of_row(row) for row in read_rows(connection, record.organization_id, SlangCheck.kind)]
    if not terms and not stored:
        raise NotFound("The organization has no slang lexicon.", fix="collect slang import --seed, or collect slang import FILE.csv")
    matcher = Matcher(terms, versions[record.version].config.options)
    found: list[dict[str, Any]] = []
    for entry in _entries(connection, record.form_id, record.head):
        version = versions[entry.version]
        if version.cities is not None and not _is_in(entry.answers.get(version.config.city or ""), version.cities):
            continue
        finds = _noted(entry, languages) if stored else _fresh(entry, version, matcher, languages)
        if finds and _stands(connection, entry):
            found += finds
            if len(found) >= limit:
                return found[:limit]
    return found


def _entries(connection: Connection, form_id: int, head: int) -> Iterator[StoredEntry]:
    after = 0
    while after < head:
        end = batch_end(connection, form_id, after, head, PAGE_ROWS, PAGE_BYTES)
        if end == after:
            return
        yield from list_responses(connection, form_id, after, end - after)
        after = end


def _stands(connection: Connection, entry: StoredEntry) -> bool:
    """Whether the entry is the response as it is today: not superseded, not deleted."""
    newest = newest_response(connection, entry.form_id, entry.response_id)
    return newest is not None and newest.position == entry.position and newest.operation != "delete"


def _is_in(answer: Any, cities: frozenset[str]) -> bool:
    return isinstance(answer, str) and answer in cities  # an answer in own words is an object


def _noted(entry: StoredEntry, languages: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"response": entry.response_id, "position": entry.position, "question": flag.get("question"), **flag["data"], "noted": True}
        for flag in entry.flags
        if flag.get("code") == CODE and flag.get("data") and _wanted(flag["data"].get("language", ""), languages)
    ]


def _wanted(tag: str, languages: Sequence[str]) -> bool:
    return not languages or any(in_language(tag, one) for one in languages)


def _fresh(entry: StoredEntry, version: _Version, matcher: Matcher, languages: Sequence[str]) -> list[dict[str, Any]]:
    config = version.config
    searched = tuple(languages) or languages_of_city(version.definition, config.city, entry.answers, config.languages)
    noted = {(one["question"], one["term"], tuple(one["span"])) for one in _noted(entry, ())}
    found = []
    for own in own_texts(version.definition.questions, entry.answers, frozenset(config.questions)):
        for hit in matcher.find(own.text, searched):
            data = finding_data(hit)
            before = (own.place, data["term"], tuple(data["span"])) in noted
            found.append({"response": entry.response_id, "position": entry.position, "question": own.place, **data, "noted": before})
    return found


def _version(definition: FormDefinition, city: str | None) -> _Version:
    """The version's own `checks: slang`; without one that is valid, the select_one whose choices name languages is the city."""
    settings = definition.checks.get(SlangCheck.kind)
    guessed = next((question.key for question in definition.answerable if _names_languages(question)), None)
    config = SlangConfig.model_construct(city=guessed)
    if settings is not None:
        with suppress(ValidationError):  # published all the same; at ingest the check counts as failed
            config = SlangConfig.model_validate(settings.config)
    question = definition.by_key.get(config.city or "")
    codes = _codes(question, city) if city and question else frozenset[str]()
    return _Version(definition, config, codes if city else None)


def _names_languages(question: Question) -> bool:
    return question.type == "select_one" and any(choice.attribute("language") for choice in question.choices)


def _codes(question: Question, city: str) -> frozenset[str]:
    wanted = city.casefold()
    return frozenset(
        choice.code
        for choice in question.choices
        if choice.code == city or any(label.casefold() == wanted for label in choice.label.values())
    )


def _refuse_unknown(newest: _Version, versions: dict[int, _Version], city: str | None, languages: Sequence[str], *, stored: bool) -> None:
    name = newest.definition.form
    question = newest.definition.by_key.get(newest.config.city or "")
    if city and question is None:
        raise Invalid(
            f"No question of {name} says in which city a response was given.",
            fix="Give the choices of that question `attributes: {language: [mr, hi]}` and publish the form, or leave out --city.",
        )
    if city and question is not None and not any(version.cities for version in versions.values()):
        choices = ", ".join(choice.code for choice in question.choices[:20])
        raise NotFound(f"{question.key} has no choice {city!r}.", fix=f"Its choices: {choices}.")
    if not (stored or languages or question or newest.config.languages):
        raise Invalid(f"{name} does not say which languages to search.", fix="Give --language, e.g. --language hi.")
