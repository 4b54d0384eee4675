"""Whether a kind of check can be made ready for forms, found out in a process of its own: it may hang, print, or end the process."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from collect_pipelines import plugins
from collect_pipelines.errors import PluginError

__all__ = ["TRIAL_SECONDS", "Trial", "problems_of"]

TRIAL_SECONDS = 20.0  # of one kind of check, for all forms that name it

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Trial:
    """A form that names the check."""

    form: Mapping[str, Any]
    """Its definition, as it is stored."""
    config: Mapping[str, Any]
    organization: str


def problems_of(kind: str, trials: Sequence[Trial], lists: Mapping[str, Mapping[str, Rows]], seconds: float) -> list[str | None]:
    """
    Why the check can't be made ready, per trial and in order; None where it can.

    lists: reference lists by organization and name. seconds: for all of them together.
    """
    from collect_pipelines.checks.isolation.child import clean_environment

    command = [sys.executable, "-P", "-m", "collect_pipelines.cli.check_trial"]
    asked = json.dumps({"kind": kind, "trials": [asdict(trial) for trial in trials], "lists": lists}).encode()
    try:
        done = subprocess.run(command, input=asked, capture_output=True, env=clean_environment(), timeout=seconds, check=False)  # noqa: S603 - our own module
        output, missing = done.stdout, f"Making it ready ended its process (exit code {done.returncode})."
    except subprocess.TimeoutExpired as exc:
        output, missing = exc.stdout or b"", f"It was not made ready within {seconds:.0f} s."
    told = dict(filter(None, map(_told, output.splitlines())))
    return [told.get(number, missing) for number in range(len(trials))]


def _told(line: bytes) -> tuple[int, str | None] | None:
    """What one line of the process tells; None for what the plug-in itself printed."""
    try:
        document = json.loads(line)
        return int(document["trial"]), document["problem"]
    except (ValueError, TypeError, KeyError):
        return None


def _answer(kind: str, trials: Sequence[Mapping[str, Any]], lists: Mapping[str, Mapping[str, Rows]]) -> None:
    for number, trial in enumerate(trials):
        problem = _problem(kind, trial, lists.get(trial["organization"], {}))
        # A line of its own, whatever the plug-in printed; at once, because the next one may hang.
        print("\n" + json.dumps({"trial": number, "problem": problem}), flush=True)


def _problem(kind: str, trial: Mapping[str, Any], references: Mapping[str, Rows]) -> str | None:
    from collect_pipelines.checks.making import Unusable, made_check
    from collect_pipelines.forms.definition import FormDefinition

    try:
        made_check(plugins.load(plugins.CHECKS, kind), kind, trial["config"], FormDefinition.model_validate(trial["form"]), references)
    except PluginError as exc:
        return f"{exc.message} {exc.fix or ''}".strip()
    except Unusable as exc:
        return str(exc)
    except Exception as exc:  # noqa: BLE001 - what an entry point names may be anything
        return f"It is not a check: it raised {type(exc).__name__}."
    return None


if __name__ == "__main__":
    _answer(**json.load(sys.stdin))
