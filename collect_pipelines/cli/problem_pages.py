"""docs/problems.md, written from what the installed kinds and the core say of their codes."""

from collections.abc import Sequence

from collect_pipelines import plugins
from collect_pipelines.destinations.interface import KnownProblem

__all__ = ["known_problems", "problems_page"]

INTRODUCTION = """\
# Problems and notices

Written by `make docs` from the classes of the destinations.

A **problem** stops an integration until a person repairs something: its state is `blocked`. A **notice** is something a person should
know although the integration goes on. Each has a code. `collect integrations show NAME` shows the code with the reason and the fix;
so do `collect integrations list`, `collect status`, `collect doctor`, and the events of the destination's asset in Dagster. The metrics
`collect_integration_problem` and `collect_integration_notice` have a series per code.

A problem of one integration stops nothing else: responses are accepted, validated and delivered elsewhere, and what waits for the
integration is kept in order. After the repair: `collect integrations resume NAME`. A problem without a code (`unnamed` in the metric)
has its reason and its fix all the same.

What is harmless has no code, because nothing has to be done: people may rename the file, the tab and the headers, sort, filter, move and
hide rows and columns, and add columns of their own.
"""


def known_problems() -> tuple[KnownProblem, ...]:
    """Of every kind of our own, by kind; what stops comes first."""
    own = (one for one in plugins.installed(plugins.DESTINATIONS) if one.distribution == plugins.OWN_DISTRIBUTION)
    kinds = (plugins.load(plugins.DESTINATIONS, one.kind) for one in sorted(own, key=lambda one: one.kind))
    return tuple(problem for kind in kinds for problem in kind.problems)


def problems_page() -> str:
    """The whole page."""
    found = known_problems()
    stopping, going_on = [one for one in found if one.stops], [one for one in found if not one.stops]
    lines = [
        INTRODUCTION,
        "## What stops an integration",
        "",
        *_sections(stopping),
        "## What goes on with a notice",
        "",
        *_sections(going_on),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _sections(problems: Sequence[KnownProblem]) -> list[str]:
    lines = [f"- [`{one.code}`](#{_anchor(one.code)})" for one in problems] + [""]
    for one in problems:
        rows = (("you see", one.seen), ("cause", one.cause), ("fix", one.fix), ("meanwhile", one.meanwhile))
        lines += [f"### `{one.code}`", "", "| | |", "| --- | --- |", *(f"| {name} | {text} |" for name, text in rows), ""]
    return lines


def _anchor(code: str) -> str:
    """As a heading of code is linked to: without dots."""
    return code.replace(".", "")
