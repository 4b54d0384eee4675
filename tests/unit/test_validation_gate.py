"""Great Expectations as the authority: what it says row by row, and that nothing passes when it can't say."""

import threading
from typing import Any

import polars as pl
import pytest

from collect_pipelines.forms.columns import physical_name
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.validation import gate as gate_module
from collect_pipelines.validation.compile import RuleSet
from collect_pipelines.validation.gate import Gate, shared_gate

FORM = FormDefinition.model_validate(
    {
        "form": "household",
        "title": "Household",
        "questions": [
            {"key": "name", "type": "text", "label": "Name", "required": True},
            {"key": "age", "type": "integer", "label": "Age", "max": 120},
            {"key": "phone", "type": "phone", "label": "Phone", "on_violation": "flag"},
        ],
    }
)


def frame(*rows: tuple[str | None, str | None, str | None], first: int = 1) -> pl.DataFrame:
    positions = {"_position": list(range(first, first + len(rows))), "_version": [1] * len(rows)}
    return pl.DataFrame(
        positions | {physical_name(key): [row[place] for row in rows] for place, key in enumerate(("name", "age", "phone"))},
        schema_overrides={physical_name(key): pl.String for key in ("name", "age", "phone")},
    )


def test_failing_rows_are_named_with_every_reason() -> None:
    verdict = shared_gate().validate(FORM, frame(("Asha", "30", None), ("", "999", None), ("Ravi", "x", None)))

    assert not verdict.success and verdict.error is None
    assert [(row, [(finding.question, finding.code) for finding in findings]) for row, findings in verdict.failures] == [
        (1, [("name", "required"), ("age", "max")]),
        (2, [("age", "type")]),
    ]


def test_each_rule_is_an_expectation_of_its_own_beside_those_of_the_batch() -> None:
    verdict = shared_gate().validate(FORM, frame(("Asha", "30", "no"), ("Ravi", None, None)))

    assert {one.name: (one.passed, one.unexpected) for one in verdict.statistics} == {
        "expect_table_row_count_to_be_between": (True, 0),
        "expect_table_columns_to_match_set": (True, 0),
        "expect_column_values_to_be_unique": (True, 0),
        "name.required": (True, 0),
        "age.type": (True, 0),
        "age.max": (True, 0),
        "phone.format": (False, 1),
    }


@pytest.mark.parametrize("constant", ["MANY_RULES", "FEW_ROWS"])
def test_one_expectation_speaks_for_very_many_rules_and_for_few_rows(monkeypatch: pytest.MonkeyPatch, constant: str) -> None:
    rows = frame(("Asha", "30", "no"), ("", "999", None), ("Ravi", "x", None))
    monkeypatch.setattr(gate_module, "FEW_ROWS", 0)
    named = Gate()
    expected = named.validate(FORM, rows)
    monkeypatch.setattr(gate_module, constant, 2 if constant == "MANY_RULES" else 100)
    together = Gate()
    verdict = together.validate(FORM, rows)

    assert verdict.failures == expected.failures
    assert sorted(verdict.statistics, key=str) == sorted(expected.statistics, key=str)
    assert [len(gate._kept[FORM.content_hash, in_one].expectations) for gate, in_one in ((named, False), (together, True))] == [7, 4]


def test_a_rule_that_only_flags_holds_nothing_back() -> None:
    verdict = shared_gate().validate(FORM, frame(("Asha", None, "no")))

    assert verdict.success


def test_a_question_without_column_counts_as_unanswered() -> None:
    verdict = shared_gate().validate(FORM, frame(("Asha", "1", None)).drop(physical_name("name")))

    assert [findings[0].code for _, findings in verdict.failures] == ["required"]


def test_a_rule_that_errs_blocks_the_batch_and_shows_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: RuleSet, frame: pl.DataFrame) -> dict[str, list[int]]:
        raise ValueError("the answer is secret-canary")

    monkeypatch.setattr(RuleSet, "violations", fails)
    verdict = shared_gate().validate(FORM, frame(("Asha", "30", None)))

    assert verdict.failures == [] and not verdict.success
    assert verdict.error == "Expectation expect_form_rules could not be judged (ValueError)."


@pytest.mark.parametrize("few_rows", [0, 100], ids=["an expectation per rule", "one for all rules"])
def test_what_great_expectations_computes_is_what_is_held_back(monkeypatch: pytest.MonkeyPatch, few_rows: int) -> None:
    from collect_pipelines.validation import expectations

    class Otherwise:
        def failing(self) -> dict[str, list[int]]:
            return {"name.required": [0], "age.max": [], "age.type": [], "phone.format": []}

    monkeypatch.setattr(gate_module, "FEW_ROWS", few_rows)
    monkeypatch.setattr(expectations, "_carried", lambda *_: Otherwise())
    verdict = Gate().validate(FORM, frame(("Asha", "30", None), ("Ravi", "999", None)))

    assert [(row, [finding.code for finding in findings]) for row, findings in verdict.failures] == [(0, ["required"])]


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({"success": False, "result": {}}, "could not be judged (it failed without naming rows)."),
        ({"success": True, "result": {"unexpected_index_list": [1]}}, None),
    ],
)
def test_an_expectation_that_contradicts_itself_lets_nothing_through(
    monkeypatch: pytest.MonkeyPatch, result: dict[str, Any], told: str | None
) -> None:
    from collect_pipelines.validation import expectations

    monkeypatch.setattr(gate_module, "FEW_ROWS", 0)
    monkeypatch.setattr(expectations.ExpectFormRule, "_validate", lambda *_, **__: result)
    verdict = Gate().validate(FORM, frame(("Asha", "30", None), ("Ravi", "30", None)))

    assert not verdict.success
    assert [row for row, _ in verdict.failures] == ([] if told else [1]) and (verdict.error or "").endswith(told or "")


def test_an_expectation_that_is_left_out_blocks_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    told = gate_module.verdict_of

    def others(result: Any) -> bool:
        return bool(result.expectation_config.kwargs.get("rule") != "phone.format")

    monkeypatch.setattr(gate_module, "FEW_ROWS", 0)
    monkeypatch.setattr(gate_module, "verdict_of", lambda results, *rest: told(list(filter(others, results)), *rest))

    assert Gate().validate(FORM, frame(("Asha", "30", None))).error == "Expectation phone.format was not judged."


@pytest.mark.parametrize("few_rows", [0, 100], ids=["an expectation per rule", "one for all rules"])
def test_a_rule_that_is_not_computed_blocks_the_batch(monkeypatch: pytest.MonkeyPatch, few_rows: int) -> None:
    computed = RuleSet.violations
    monkeypatch.setattr(gate_module, "FEW_ROWS", few_rows)
    monkeypatch.setattr(RuleSet, "violations", lambda *given: {name: [] for name in computed(*given) if name != "age.max"})

    assert "age.max" in (Gate().validate(FORM, frame(("Asha", "30", None))).error or "")


def test_the_same_position_twice_blocks_the_batch() -> None:
    twice = pl.concat([frame(("Asha", "1", None)), frame(("Ravi", "2", None))])
    error = shared_gate().validate(FORM, twice).error

    assert error == "Expectation expect_column_values_to_be_unique could not be judged (it does not hold for the batch)."


def test_threads_that_share_the_gate_get_the_verdict_of_their_own_rows() -> None:
    wrong: list[Any] = []

    def judge(number: int) -> None:
        for step in range(3):
            bad = (number + step) % 5
            rows = [("Asha", "999" if place == bad else "1", None) for place in range(5)]
            if [row for row, _ in shared_gate().validate(FORM, frame(*rows, first=number * 100 + 1)).failures] != [bad]:
                wrong.append(number)

    threads = [threading.Thread(target=judge, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_suites_are_kept_by_content_and_not_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "KEPT", 17)  # 4 rules and 4 expectations per form
    gate = Gate()
    forms = [FORM.model_copy(update={"form": f"form-{number}"}) for number in range(3)]
    for form in forms:
        gate.validate(form, frame(("Asha", "1", None)))
    first = gate._kept[forms[1].content_hash]
    gate.validate(forms[1], frame(("Ravi", "1", None)))

    assert list(gate._kept) == [name for form in (forms[2], forms[1]) for name in (form.content_hash, (form.content_hash, True))]
    assert gate._kept[forms[1].content_hash] is first
