"""Asking an installed check in a process of its own, as ingest does."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from collect_pipelines.checks.interface import Draft, References
from collect_pipelines.checks.isolation.processes import CheckProcesses
from collect_pipelines.checks.runner import CheckRunner
from collect_pipelines.forms.definition import CheckSettings, FormDefinition

__all__ = ["said_in_process"]

READY_SECONDS = 60.0  # a busy machine, and a plug-in that imports a lot
ASK_MS = 10_000  # what a form may grant at most

Samples = Mapping[str, Mapping[str, Any]]


def said_in_process(
    kind: str, config: Mapping[str, Any], form: FormDefinition, references: Mapping[str, Sequence[Mapping[str, Any]]], samples: Samples
) -> dict[str, Any]:
    """Findings and metadata as JSON for each of the samples; a reason in words where it gave none."""
    settings = CheckSettings(timeout_ms=ASK_MS, config=dict(config))
    definition = form.model_copy(update={"checks": {kind: settings}, "deadline_ms": ASK_MS, "rules": ()})
    return asyncio.run(_said(kind, definition, references, samples))


async def _said(kind: str, definition: FormDefinition, references: Mapping[str, Any], samples: Samples) -> dict[str, Any]:
    async def read(names: tuple[str, ...]) -> References:
        return {name: references.get(name, ()) for name in names}

    processes = CheckProcesses(processes=1)
    try:
        runner = CheckRunner(definition, processes, trusted=(), read_references=read)
        await runner.prepare()
        await runner.is_ready(READY_SECONDS)
        return {name: await _answer(runner, kind, answers) for name, answers in samples.items()}
    finally:
        await processes.close()


async def _answer(runner: CheckRunner, kind: str, answers: Mapping[str, Any]) -> Any:
    draft = Draft("a-response", answers, "someone", "en")
    outcome = next(one for one in await runner.run(draft) if one.check == kind)
    if outcome.reason is not None:
        return outcome.reason
    return {"findings": [finding.as_json() for finding in outcome.findings], "metadata": draft.answer_metadata}
