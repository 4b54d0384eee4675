"""Metrics and log tell a check that broke from one that found something, whatever `on_error` makes of it."""

import asyncio
from typing import Any

import pytest

from collect_pipelines.checks.interface import Draft
from collect_pipelines.checks.isolation.processes import CheckProcesses
from collect_pipelines.checks.runner import CheckOutcome, CheckRunner
from collect_pipelines.forms.definition import FormDefinition


def outcome(kind: str, answers: dict[str, Any], **settings: Any) -> CheckOutcome:
    questions = [{"key": "mail", "type": "email", "label": "Mail"}]
    document = {"form": "small", "title": "Small", "checks": {kind: settings}, "questions": questions}

    async def ran() -> CheckOutcome:
        runner = CheckRunner(FormDefinition.model_validate(document), CheckProcesses())
        await runner.prepare()
        return (await runner.run(Draft("r-1", answers)))[-1]

    return asyncio.run(ran())


@pytest.mark.parametrize(("on_error", "becomes"), [("accept", "error"), ("flag", "error"), ("reject", "rejected")])
def test_a_check_that_failed_is_counted_as_an_error(on_error: str, becomes: str) -> None:
    found = outcome("absent", {}, on_error=on_error)

    assert (found.outcome, found.counted_as) == (becomes, "error")


def test_a_response_that_breaks_what_a_check_wants_is_counted_as_rejected() -> None:
    found = outcome("email", {"mail": "用户@example.org"}, on_error="reject", config={"internationalized": False})

    assert (found.outcome, found.counted_as) == ("rejected", "rejected")
