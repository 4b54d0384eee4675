"""The examples in docs/forms.md and docs/checks.md work as they stand, and name every type, field and code there is."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from collect_pipelines import plugins
from collect_pipelines.checks.interface import CheckConfig, Draft
from collect_pipelines.checks.isolation.processes import CheckProcesses
from collect_pipelines.checks.making import made_check
from collect_pipelines.checks.phone import PhoneConfig
from collect_pipelines.checks.rules import RulesCheck
from collect_pipelines.checks.runner import CheckOutcome, CheckRunner
from collect_pipelines.errors import FormInvalid
from collect_pipelines.forms.answers import check_answers
from collect_pipelines.forms.definition import CheckSettings, FormDefinition, FormRule, Question, QuestionType
from collect_pipelines.forms.reading import read_form
from collect_pipelines.model import Finding

DOCS = Path(__file__).resolve().parents[2] / "docs"
FORMS, CHECKS = ((DOCS / name).read_text("utf-8") for name in ("forms.md", "checks.md"))


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_the_example_form_and_response_pass_every_check() -> None:
    form = read_form(blocks(FORMS, "yaml")[0])
    response = json.loads(blocks(FORMS, "json")[0])
    draft = Draft("r", response)

    async def checked() -> list[CheckOutcome]:
        processes = CheckProcesses()
        runner = CheckRunner(form, processes)
        await runner.prepare()
        assert await runner.is_ready(30)
        outcomes = await runner.run(draft)
        await processes.close()
        return outcomes

    outcomes = asyncio.run(checked())

    assert [(outcome.check, outcome.outcome) for outcome in outcomes] == [("answers", "passed"), ("phone", "passed")]
    assert draft.answer_metadata["phone"]["e164"] == "+919845012345"


def test_the_example_of_rules_tells_the_collector_what_the_page_says() -> None:
    form = read_form(blocks(FORMS, "yaml")[1])
    check = RulesCheck(CheckConfig())

    (finding,) = check.check(Draft("r", {"savings": 9, "income": 5}, language="hi"), form)

    assert finding.as_json() == json.loads(blocks(FORMS, "json")[1])
    assert [(one.code, one.question) for one in check.check(Draft("r", {"children": [{"age": 7, "works": True}]}), form)] == [
        ("rule.working_age", "children[0].works")
    ]
    assert {rule.kind for rule in form.rules} == {"expression", "unique", "complete", "volume", "distribution"}


def test_the_example_of_rules_asks_and_offers_what_the_page_says() -> None:
    form = read_form(blocks(FORMS, "yaml")[1])

    def told(**answers: Any) -> list[tuple[str, str | None]]:
        return [(one.code, one.question) for one in check_answers(form, answers)]

    assert told(has_children=True) == [("required", "children")]
    assert told(has_children=True, children=[{"age": 7}, {"age": 3}]) == [("required", "children[0].school")]
    assert told(has_children=False, children=[{"age": 7}]) == [("irrelevant", "children")]
    assert told() == told(children=[{"age": 7}]) == []
    assert told(state="mh", city="mysuru") == [("choice.filtered", "city")]
    assert told(state="mh", city="other") == told(city="mysuru") == []


def test_the_example_of_a_fault_in_a_rule_is_what_is_printed() -> None:
    text = blocks(FORMS, "yaml")[1].replace("savings <= income", "savings <= incme")

    with pytest.raises(FormInvalid) as caught:
        read_form(text)

    assert [problem for problem in caught.value.problems if problem in FORMS] == list(caught.value.problems)


def test_the_example_of_checks_reads() -> None:
    form = read_form(blocks(CHECKS, "yaml")[0])

    for kind, settings in form.checks.items():
        made = plugins.load(plugins.CHECKS, kind)
        assert made_check(made, kind, settings.config, form, {}).kind == kind


def test_the_example_check_does_what_it_says() -> None:
    room: dict[str, Any] = {"__name__": "example"}
    exec(compile(blocks(CHECKS, "python")[0], "docs/checks.md", "exec"), room)
    form = read_form("{form: f, title: F, questions: [{key: comment, type: text}]}")
    check = room["LengthCheck"](room["LengthConfig"](question="comment"))
    draft = Draft("r", {"comment": "so so"})

    found: list[Finding] = check.check(draft, form)

    assert [(finding.code, finding.severity) for finding in found] == [("comment.short", "flag")]
    assert draft.answer_metadata == {"comment": {"words": 2}}
    assert check.check(Draft("r", {"comment": "three whole words"}), form) == []


@pytest.mark.parametrize("name", [*get_args(QuestionType), *Question.model_fields, *FormDefinition.model_fields, *FormRule.model_fields])
def test_every_type_and_field_of_forms_is_documented(name: str) -> None:
    assert f"`{name}`" in FORMS


@pytest.mark.parametrize("name", [*CheckSettings.model_fields, *PhoneConfig.model_fields])
def test_every_setting_of_checks_is_documented(name: str) -> None:
    assert f"`{name}`" in CHECKS


def test_every_code_of_the_answers_check_is_documented() -> None:
    from collect_pipelines.forms.messages import _TEXTS

    codes = {
        name.rpartition(".")[0] if name.startswith(("type.", "format.")) or name.endswith((".count", ".near", ".renamed")) else name
        for name in _TEXTS
    }

    assert [code for code in sorted(codes) if code not in CHECKS and not code.startswith(("check.", "rule."))] == []


def test_the_form_in_the_docs_shows_most_types() -> None:
    form = read_form(blocks(FORMS, "yaml")[0])

    assert len({question.type for question in form.questions}) >= 7
    assert check_answers(form, {}) != []
