"""`make conformance`: every installed kind of destination against every requirement of the suite, as a table. Also a pytest plug-in."""

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collect_pipelines import plugins
from collect_pipelines.testing import DestinationConformance

SUITES = Path(__file__).parent / "contract"
KIND, LEFT_OUT = "kind", "left out"
MARKS = {"passed": "ok", "left out": "-", "failed": "FAILED", "known": "no", None: "?"}
WORST = ["failed", "known", "passed", "left out"]
"""Of several suites of a kind, e.g. one per format, the first of these that occurs is shown."""
SENTENCE_CHARACTERS = 74


class Table:
    """What is known of each kind and requirement."""

    def __init__(self) -> None:
        self.states: dict[tuple[str, str], set[str]] = defaultdict(set)
        self.failures: list[str] = []
        self.known: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Takes the result of one test in."""
        told = dict(report.user_properties)
        if KIND not in told or (report.when != "call" and report.passed):
            return
        kinds: str = told[KIND]
        sentence = report.nodeid.rpartition("::test_")[2].replace("_", " ")
        state = "left out" if told.get(LEFT_OUT) else "passed"
        if report.failed:
            state = "failed"
            crash = getattr(report.longrepr, "reprcrash", None)
            self.failures.append(f"{kinds}: {sentence}\n    {crash.message if crash else report.longrepr}")
        elif hasattr(report, "wasxfail"):
            state = "known"
            self.known.append(f"{kinds}: not {sentence}: {report.wasxfail.removeprefix('reason: ')}")
        for kind in kinds.split():
            self.states[kind, sentence].add(state)

    def lines(self, kinds: list[str]) -> Iterator[str]:
        """The table: a line per requirement, a column per kind."""
        widths = {kind: max(len(kind), len(MARKS["failed"])) for kind in kinds}
        yield " ".join(["".ljust(SENTENCE_CHARACTERS), *(kind.ljust(widths[kind]) for kind in kinds)])
        for sentence in _sentences():
            cells = (MARKS[self._worst(kind, sentence)].ljust(widths[kind]) for kind in kinds)
            yield " ".join([sentence[:SENTENCE_CHARACTERS].ljust(SENTENCE_CHARACTERS), *cells])

    def _worst(self, kind: str, sentence: str) -> str | None:
        return next((state for state in WORST if state in self.states[kind, sentence]), None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: Any) -> Any:
    """Notes which kind a test was about, and whether it concerned it. In every worker."""
    suite = getattr(item, "instance", None)
    if isinstance(suite, DestinationConformance):
        kinds = " ".join(suite.stands_for or (suite.destination.kind,))
        item.user_properties[:] = [(KIND, kinds), (LEFT_OUT, getattr(suite, "not_applicable", None))]
    return (yield)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How thoroughly deliveries are interrupted."""
    parser.addoption("--moments", type=int, default=None, help="Interrupt each delivery at so many moments.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Hands the number of moments on."""
    moments = config.getoption("--moments")
    for made in {item.cls for item in items if isinstance(item, pytest.Function) and item.cls is not None} if moments else ():
        made.most_interruptions = moments


def main() -> int:
    """Runs the suites and prints the table; 1 when a requirement is not met, or a kind of ours has no suite."""
    parser = argparse.ArgumentParser(prog="make conformance", description=__doc__)
    parser.add_argument("--moments", type=int, help="interrupt each delivery at so many moments; default: what its suite says")
    parser.add_argument("kinds", nargs="*", help="only these kinds")
    given = parser.parse_args()
    table = Table()
    files = [str(path) for path in sorted(SUITES.glob("test_conformance_*.py"))]
    print(f"Running {len(files)} suites: some minutes.")
    more = ["--moments", str(given.moments)] if given.moments else []
    quiet = ["-q", "--no-header", "--no-summary", "-p", "tests.conformance", "--numprocesses", "2", "--dist", "loadscope"]
    pytest.main([*files, *quiet, *more], plugins=[table])
    kinds = given.kinds or sorted({plugin.kind for plugin in plugins.installed(plugins.DESTINATIONS)})
    print("\n" + "\n".join(table.lines(kinds)))
    print("\nok: met   no: known not to be met   -: does not concern it   ?: no suite in tests/contract (`collect plugins test KIND`)\n")
    print("\n".join([*dict.fromkeys(table.known), *table.failures]))
    unknown = [kind for kind in kinds if kind not in {known for known, _ in table.states} and _is_ours(kind)]
    return 1 if table.failures or unknown else 0


def _sentences() -> list[str]:
    names = [name for scenario in DestinationConformance.__mro__ for name in vars(scenario) if name.startswith("test_")]
    return [name.removeprefix("test_").replace("_", " ") for name in dict.fromkeys(names)]


def _is_ours(kind: str) -> bool:
    return plugins.find(plugins.DESTINATIONS, kind).distribution == plugins.OWN_DISTRIBUTION


if __name__ == "__main__":
    sys.exit(main())
