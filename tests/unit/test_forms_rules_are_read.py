"""Rules, relevance and filters of a form file are read, written back, and refused with line, place and what to do."""

import hashlib
import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from collect_pipelines.errors import FormInvalid
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.reading import form_json_schema, read_form, write_form
from collect_pipelines.forms.yaml_tree import read_tree

QUESTIONS = """\
questions:
  - {key: income, type: decimal, label: Income}
  - {key: savings, type: decimal, label: Savings, was: [saved]}
  - {key: phone, type: phone, label: Phone}
  - key: state
    type: select_one
    choices: [{code: mh, label: Maharashtra}, {code: ka, label: Karnataka}]
  - key: city
    type: select_one
    choices_by: {state: state}
    choices:
      - {code: pune, label: Pune, attributes: {state: mh, language: [mr, hi]}}
      - {code: mysuru, label: Mysuru, attributes: {state: ka}}
  - key: members
    type: repeat
    questions:
      - {key: age, type: integer}
"""
RULES = """\
rules:
  - name: savings_within_income
    expression: savings <= income
    message: {en: Savings can't be more than income., hi: बचत आय से अधिक नहीं हो सकती।}
  - {name: one-phone, unique: [phone], severity: flag}
  - {name: answered, complete: income, at_least: 0.8, last: 5}
  - {name: size, volume: {min: 1, max: 100}, factor: 3}
  - {name: shift, distribution: income, severity: note, tolerance: 0.5, min_rows: 10}
"""
HEAD = "form: f\ntitle: F\nlanguages: [en, hi]\n"


def problems(rules: str, questions: str = QUESTIONS) -> list[str]:
    with pytest.raises(FormInvalid) as caught:
        read_form(f"{HEAD}{rules}{questions}", "f.yaml")
    return list(caught.value.problems)


def test_every_kind_of_rule_is_read_with_its_effective_settings() -> None:
    form = read_form(HEAD + RULES + QUESTIONS)

    assert [(rule.name, rule.kind, rule.placement, rule.severity) for rule in form.rules] == [
        ("savings_within_income", "expression", "ingest", "reject"),
        ("one-phone", "unique", "batch", "flag"),
        ("answered", "complete", "batch", "flag"),
        ("size", "volume", "batch", "flag"),
        ("shift", "distribution", "batch", "note"),
    ]
    assert form.rules[2].last == 5 and form.rules[3].factor == 3 and form.rules[4].min_rows == 10
    assert form.by_key["city"].choices[0].attribute("language") == ("mr", "hi")
    assert form.by_key["city"].choices[1].attribute("state") == ("ka",)
    assert form.by_key["city"].choices[1].attribute("language") == ()


def test_rules_and_filters_come_back_as_they_were_written() -> None:
    form = read_form(HEAD + RULES + QUESTIONS)

    assert read_form(write_form(form)) == form
    assert FormDefinition.model_validate(form.model_dump(mode="json", exclude_defaults=True)).content_hash == form.content_hash


def test_the_hash_of_a_form_without_rules_is_what_it_was_before_there_were_rules() -> None:
    document: dict[str, Any] = {
        "form": "f",
        "title": {"en": "F"},
        "questions": [{"key": "one", "type": "select_one", "choices": [{"code": "a", "label": {"en": "A"}}]}],
    }
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    assert FormDefinition.model_validate(document).content_hash == hashlib.sha256(text.encode()).hexdigest()


def test_the_published_schema_takes_what_is_read_and_refuses_what_it_can() -> None:
    schema = Draft202012Validator(form_json_schema())
    document = read_tree(HEAD + RULES + QUESTIONS).value

    def fits(**rule: Any) -> bool:
        return schema.is_valid({**document, "rules": [rule]})

    assert schema.is_valid(document)
    assert fits(name="a", expression="income > 1")
    assert not fits(name="A", expression="income > 1")
    assert not fits(name="error", expression="income > 1")
    assert not fits(name="a", expression="income > 1", severity="stop")
    assert not fits(expression="income > 1")


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ("rules: [{name: Bad, expression: income > 1}]", "f.yaml:4: rules[0].name: a rule's name has 1 to 59"),
        ("rules: [{name: error, expression: income > 1}]", "rules[0].name: `error` is a reserved word; say what is checked"),
        ("rules: [{name: a}]", "f.yaml:4: rules[0]: says nothing to keep; a rule has one of `expression`"),
        ("rules: [{name: a, expression: income > 1, unique: [phone]}]", "rules[0]: has `expression` and `unique`; make two rules of it"),
        ("rules: [{name: a, expresion: income > 1}]", "rules[0].expresion: is not a field that is known here; did you mean `expression`?"),
        ("rules: [{name: a, volume: {mni: 1}}]", "rules[0].volume.mni: is not a field that is known here; did you mean `min`?"),
        ("rules: [{name: a, volume: {}}]", "rules[0].volume: says nothing; give it `min` or `max`"),
        ("rules: [{name: a, volume: {min: 3, max: 2}}]", "rules[0].volume.min: min is larger than max"),
        ("rules: [{name: a, unique: [phone], at_least: 0.5}]", "rules[0].at_least: `at_least` is only for `complete`; remove it"),
        ("rules: [{name: a, unique: [phone], placement: ingest}]", "rules[0].placement: `unique` is judged over many responses"),
        (
            "rules: [{name: a, complete: income, severity: reject}]",
            "rules[0].severity: `complete` names no response that could be sent back",
        ),
        ("rules: [{name: a, unique: [phon]}]", "rules[0].unique[0]: `phon` is no question that can be named here; did you mean `phone`?"),
        ("rules: [{name: a, unique: [phone, phone]}]", "rules[0].unique[1]: `phone` is named twice"),
        ("rules: [{name: a, unique: [members]}]", "rules[0].unique[0]: `members` is a repeat, whose answers can't be told apart"),
        ("rules: [{name: a, complete: age}]", "rules[0].complete: `age` is no question that can be named here"),
        ("rules: [{name: a, distribution: phone}]", "rules[0].distribution: `phone` is a phone, whose answers can't be compared"),
        ("rules: [{name: a, complete: income, at_least: 1.5}]", "rules[0].at_least: "),
        ("rules: [{name: a, unique: [phone], message: {fr: Non}}]", "rules[0].message: `fr` is not in the form's `languages`"),
        (
            "rules: [{name: a, unique: [phone]}, {name: a, complete: income}]",
            "rules[1].name: `a` is already used at rules[0]; names of rules are unique in the form",
        ),
        ("rules: [{name: a, expression: income > 1, questions: [incme]}]", "rules[0].questions[0]: `incme` is no question"),
        (
            f"rules: [{{name: a, unique: [phone], questions: [{', '.join(['phone'] * 21)}]}}]",
            "rules[0].questions: names 21 questions, at most 20",
        ),
        (f"rules: [{{name: a, unique: [phone], message: {'x' * 1_001}}}]", "rules[0].message.en: has 1,001 characters, at most 1,000"),
        (f"rules: [{', '.join(f'{{name: r{n}, unique: [phone]}}' for n in range(501))}]", "rules: has 501 rules, at most 500 are possible"),
    ],
)
def test_a_rule_that_says_no_sense_is_refused_at_its_place(rules: str, problem: str) -> None:
    found = problems(rules + "\n")

    assert len(found) == 1
    assert problem in found[0]


@pytest.mark.parametrize(
    ("was", "now", "problem"),
    [
        ("choices_by: {state: state}", "choices_by: {stat: state}", "choices_by.stat: no choice has the attribute `stat`; did you mean"),
        ("choices_by: {state: state}", "choices_by: {state: stat}", "choices_by.state: `stat` is no question of this form; did you mean"),
        ("choices_by: {state: state}", "choices_by: {state: city}", "choices_by.state: a question can't choose its own choices"),
        (
            "choices_by: {state: state}",
            "choices_by: {state: income}",
            "choices_by.state: `income` is a decimal; only hidden, select_multiple",
        ),
        ("was: [saved]", "choices_by: {a: state}", "choices_by: `choices_by` is only for select_multiple, select_one; remove it"),
        ("was: [saved]", "was: [income]", "was[0]: `income` is the key of a question at questions[0]"),
        ("was: [saved]", "was: [Saved]", "was[0]: a key has 1 to 63"),
        ("was: [saved]", "was: [savings]", "was[0]: `savings` is the key itself; remove it"),
        ("state: mh, ", "state: 1, ", "choices[0].attributes: `state` must be a text or a list of texts; put quotes around numbers"),
    ],
)
def test_a_filter_or_a_former_key_that_leads_nowhere_is_refused(was: str, now: str, problem: str) -> None:
    found = problems("", QUESTIONS.replace(was, now))

    assert len(found) == 1
    assert problem in found[0]
