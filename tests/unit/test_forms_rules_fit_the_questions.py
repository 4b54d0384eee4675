"""Expressions of a form are checked against its questions when it is read: YAML line, place in the expression, closest key."""

import pytest

from collect_pipelines.errors import FormInvalid
from collect_pipelines.forms.reading import read_form
from collect_pipelines.rules.nodes import unparse

QUESTIONS = """\
questions:
  - {key: income, type: decimal}
  - {key: savings, type: decimal}
  - {key: name, type: text}
  - key: house
    type: group
    relevant: income > 10
    questions:
      - {key: rooms, type: integer}
      - {key: garden, type: boolean, relevant: rooms > 2}
  - key: members
    type: repeat
    questions:
      - {key: age, type: integer}
      - {key: school, type: text, relevant: age < 18 && income < 100}
  - key: animals
    type: repeat
    questions:
      - {key: horns, type: integer}
      - key: calves
        type: repeat
        questions: [{key: weight, type: decimal}]
"""


def problems(rules: str, questions: str = QUESTIONS) -> list[str]:
    with pytest.raises(FormInvalid) as caught:
        read_form(f"form: f\ntitle: F\n{rules}\n{questions}", "f.yaml")
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("savings <= incme", "f.yaml:3: rules[0].expression: column 12: "),
        ("savings <= incme", "`income`"),
        ("savings <= name", "f.yaml:3: rules[0].expression: column "),
        ("savings <=", "f.yaml:3: rules[0].expression: column "),
        ("income + savings", "rules[0].expression: column "),
        ("1 < 2", "rules[0].expression: names no question, so no answer can break it"),
        (
            "age > horns",
            "rules[0].expression: `age` is asked in the repeat `members`, `horns` in the repeat `animals`; a rule can look at the rows",
        ),
        ("house > 1", "rules[0].expression: column 1: "),
    ],
)
def test_an_expression_that_does_not_fit_is_refused_where_it_goes_wrong(expression: str, problem: str) -> None:
    found = problems(f"rules: [{{name: a, expression: '{expression}'}}]")

    assert len(found) == 1
    assert problem in found[0]


def test_a_fault_in_an_expression_of_several_lines_names_its_line() -> None:
    found = problems("rules:\n  - name: a\n    expression: |\n      savings <= income\n      && nme == 'x'")

    assert len(found) == 1
    assert found[0].startswith("f.yaml:5: rules[0].expression: line 2, column 4: ")
    assert "`name`" in found[0]


def test_expressions_are_checked_beside_other_faults_but_not_against_a_question_that_is_broken_itself() -> None:
    rules = "rules: [{name: a, expression: savings <= incom}, {name: b, expression: income > 1}]"

    found = problems(rules, QUESTIONS.replace("{key: savings, type: decimal}", "{key: savings, type: decimel}"))
    assert [problem.split(": ")[1] for problem in found] == ["questions[1].type"]

    found = problems(rules, QUESTIONS.replace("{key: name, type: text}", "{key: name, type: txt}"))
    assert [problem.split(": ")[1] for problem in found] == ["rules[0].expression", "questions[2].type"]


@pytest.mark.parametrize(
    ("was", "now", "problem"),
    [
        ("relevant: income > 10", "relevant: incom > 10", "f.yaml:10: questions[3].relevant: column 1: "),
        ("relevant: rooms > 2", "relevant: rooms", "questions[3].questions[1].relevant: column 1: "),
        (
            "relevant: rooms > 2",
            "relevant: age > 2",
            "relevant: `age` is asked in the repeat `members`, whose rows are not known here; use size",
        ),
        ("age < 18 && income < 100", "horns < 18", "relevant: `horns` is asked in the repeat `animals`, whose rows are not known here"),
        ("relevant: rooms > 2", "relevant: garden", "relevant: whether `garden` is asked depends on itself: `garden` -> `garden`; take"),
        ("relevant: income > 10", "relevant: rooms > 1", "questions[3].relevant: whether `rooms` is asked depends on itself"),
        (
            "{key: income, type: decimal}",
            "{key: income, type: decimal, relevant: garden}",
            "questions[0].relevant: whether `income` is asked depends on itself: `income` -> `garden` -> `income`; take one",
        ),
    ],
)
def test_relevance_that_can_not_be_told_is_refused(was: str, now: str, problem: str) -> None:
    found = problems("", QUESTIONS.replace(was, now))

    assert len(found) == 1
    assert problem in found[0]


def test_a_message_can_only_be_about_questions_the_rule_looks_at() -> None:
    found = problems("rules: [{name: a, expression: income > 1, questions: [income, age]}]")

    assert found == ["f.yaml:3: rules[0].questions[1]: `age` is asked in the repeat `members`, whose rows this rule does not look at"]


def test_relevance_is_inherited_and_rules_know_the_rows_they_are_judged_for() -> None:
    form = read_form(
        "form: f\ntitle: F\nrules:\n"
        "  - {name: top, expression: savings <= income && size(members) > 0}\n"
        "  - {name: row, expression: double(age) > income}\n"
        "  - {name: deep, expression: weight > double(horns), questions: [weight]}\n"
        f"  - {{name: many, unique: [name, income]}}\n{QUESTIONS}"
    )

    assert {key: unparse(node) for key, node in form.checked.relevance.items()} == {
        "rooms": "income > 10.0",
        "garden": "income > 10.0 && rooms > 2",
        "school": "age < 18 && income < 100.0",
    }
    assert [(one.rule.name, one.keys, one.questions, one.repeats) for one in form.checked.rules] == [
        ("top", ("savings", "income", "members"), ("savings", "income", "members"), ()),
        ("row", ("age", "income"), ("age", "income"), ("members",)),
        ("deep", ("weight", "horns"), ("weight",), ("animals", "calves")),
        ("many", ("name", "income"), ("name", "income"), ()),
    ]


def test_rules_that_answer_the_collector_make_their_check_active() -> None:
    batch = read_form(f"form: f\ntitle: F\nrules: [{{name: a, unique: [name]}}]\n{QUESTIONS}")
    ingest = read_form(f"form: f\ntitle: F\nchecks: {{phone: {{}}}}\nrules: [{{name: a, expression: income > 1}}]\n{QUESTIONS}")
    named = read_form(
        f"form: f\ntitle: F\nchecks: {{rules: {{timeout_ms: 50}}}}\nrules: [{{name: a, expression: income > 1}}]\n{QUESTIONS}"
    )

    assert list(batch.active_checks) == []
    assert list(ingest.active_checks) == ["rules", "phone"]
    assert ingest.checks.keys() == {"phone"}
    assert named.active_checks["rules"].timeout_ms == 50
