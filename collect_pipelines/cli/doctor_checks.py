"""What `collect doctor` says of checks: whether the forms that are open can use what they name."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from collect_pipelines.cli.check_trial import TRIAL_SECONDS, Trial, problems_of
from collect_pipelines.cli.diagnosis import Diagnosis
from collect_pipelines.cli.plugin_facts import PluginFacts

if TYPE_CHECKING:
    from collect_pipelines.store.database import Database
    from collect_pipelines.store.kinds import NewestDefinition

__all__ = ["check_diagnoses"]

AT_ONCE = 4
MAX_ROWS = 20_000  # of a reference list that a check is tried with; more would say nothing else
SLANG = "slang"

Lists = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]
"""Rows by organization and name of the list."""


@dataclass(frozen=True, slots=True)
class _Use:
    """A form that names a kind."""

    kind: str
    newest: "NewestDefinition"

    @property
    def config(self) -> Mapping[str, Any]:
        config = self.newest.definition["checks"][self.kind].get("config", {})
        return config if isinstance(config, dict) else {}

    @property
    def trial(self) -> Trial:
        return Trial(self.newest.definition, self.config, self.newest.organization)


def check_diagnoses(database: "Database", facts: Mapping[str, PluginFacts]) -> Iterator[Diagnosis]:
    """Of the newest version of each open form. facts: installed checks by kind."""
    from collect_pipelines.store.kinds import newest_definitions

    with database.begin() as connection:
        newest = newest_definitions(connection)
    uses = [_Use(kind, one) for one in newest for kind in one.definition["checks"]]
    lists = _lists(database, uses, facts)
    problems = _problems(uses, facts, lists)
    for use, problem in problems:
        if problem is not None:
            fix = _fix(use, facts)
            yield Diagnosis(f"check {use.kind} of {use.newest.form}", "broken", f"version {use.newest.version}: {problem}", fix)
    sound = [use for use, problem in problems if problem is None]
    if len(sound) == len(uses):
        yield Diagnosis("checks of forms", "ok", f"{len(newest)} open forms name checks, and all can be used")
    yield from _empty_lists(sound, facts, lists)
    yield from _unspoken(sound, lists)


def _lists(database: "Database", uses: Sequence[_Use], facts: Mapping[str, PluginFacts]) -> Lists:
    from collect_pipelines.store.references import read_rows

    lists: dict[str, dict[str, Sequence[Mapping[str, Any]]]] = defaultdict(dict)
    with database.begin() as connection:
        for use in uses:
            for name in _wanted(use, facts):
                if name not in lists[use.newest.organization]:
                    lists[use.newest.organization][name] = read_rows(connection, use.newest.organization_id, name)
    return lists


def _wanted(use: _Use, facts: Mapping[str, PluginFacts]) -> Sequence[str]:
    return list(facts[use.kind].facts.get("references", ())) if use.kind in facts else []


def _problems(uses: Sequence[_Use], facts: Mapping[str, PluginFacts], lists: Lists) -> list[tuple[_Use, str | None]]:
    """Each use with what is wrong with it. Kinds are tried at the same time."""
    by_kind: dict[str, list[_Use]] = defaultdict(list)
    for use in uses:
        by_kind[use.kind].append(use)
    short = {owner: {name: rows[:MAX_ROWS] for name, rows in named.items()} for owner, named in lists.items()}

    def tried(kind: str) -> list[tuple[_Use, str | None]]:
        mine = by_kind[kind]
        known = facts[kind].problem if kind in facts else "It is not installed."
        if known is not None:
            return [(use, known) for use in mine]
        return list(zip(mine, problems_of(kind, [use.trial for use in mine], short, TRIAL_SECONDS), strict=True))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [one for found in pool.map(tried, sorted(by_kind)) for one in found]


def _fix(use: _Use, facts: Mapping[str, PluginFacts]) -> str:
    on_error = use.newest.definition["checks"][use.kind].get("on_error", "flag")
    if use.kind not in facts:
        what = "pip install the package that offers it, or correct the name in the form (collect plugins list) and publish it."
    elif facts[use.kind].problem is not None:
        what = f"Repair or upgrade {facts[use.kind].distribution}, or take the check out of the form and publish it."
    else:
        what = f"Correct `checks: {use.kind}:` in the form and publish it; collect plugins show {use.kind} explains every setting."
    return f"{what} Until then on_error: {on_error} decides about every response."


def _empty_lists(uses: Sequence[_Use], facts: Mapping[str, PluginFacts], lists: Lists) -> Iterator[Diagnosis]:
    wanting: dict[tuple[str, str], list[_Use]] = defaultdict(list)
    for use in uses:
        for name in _wanted(use, facts):
            if not lists[use.newest.organization][name]:
                wanting[use.newest.organization, name].append(use)
    for (owner, name), found in wanting.items():
        forms = ", ".join(sorted({use.newest.form for use in found}))
        detail = f"empty in organization {owner}, so that {' and '.join(sorted({use.kind for use in found}))} finds nothing in {forms}"
        fix = f"Import the list {name}; the package of the check says how."
        if name == SLANG:
            fix = f"collect slang import FILE.csv --organization {owner}, or --seed for the words that come with the product."
        yield Diagnosis(f"list {name}", "note", detail, fix)


def _unspoken(uses: Sequence[_Use], lists: Lists) -> Iterator[Diagnosis]:
    """Languages that forms have searched for slang and the lexicon has no term of."""
    from collect_pipelines.checks.slang.matching import in_language

    for use in uses:
        rows = lists[use.newest.organization].get(SLANG, ()) if use.kind == SLANG else ()
        there = {str(row.get("language")) for row in rows}
        lacking = [tag for tag in _searched(use) if not any(in_language(one, tag) for one in there)] if there else []
        if lacking:
            detail = f"the lexicon has no term in {', '.join(lacking)}, which {use.newest.form} names"
            fix = f"collect slang import FILE.csv --language {lacking[0]} --organization {use.newest.organization}"
            yield Diagnosis(f"slang in {use.newest.form}", "note", detail, fix)


def _searched(use: _Use) -> list[str]:
    from collect_pipelines.checks.slang.texts import spoken_in_choices
    from collect_pipelines.forms.definition import FormDefinition

    city = use.config.get("city")
    of_city = spoken_in_choices(FormDefinition.model_validate(use.newest.definition), city).values() if city else ()
    return sorted({*use.config.get("languages", ()), *(tag for tags in of_city for tag in tags)})
