"""The common part of XPath becomes bounds and rules that say the same; the rest is kept, and told with its cell."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from collect_pipelines.forms.answers import check_answers
from collect_pipelines.forms.definition import FormDefinition, Question
from collect_pipelines.forms.expressions import VALUE_TYPES
from collect_pipelines.forms.xlsform.expressions.xpath import Untranslatable, parse
from collect_pipelines.forms.xlsform.findings import Note
from collect_pipelines.rules.evaluate import compiled
from collect_pipelines.rules.language import check
from collect_pipelines.rules.values import value_of
from tests.unit.xlsform_books import read

CHOICES = [["list_name", "name", "label"], ["ab", "a", "A"], ["ab", "b", "B"], ["n", "1", "One"], ["n", "2", "Two"]]
TYPES = {
    "x": "", "n": "integer", "d": "decimal", "t": "text", "day": "date", "at": "dateTime", "hour": "time", "one": "select_one ab",
    "num": "select_one n",
    "many": "select_multiple ab", "own": "select_one ab or_other", "c": "hidden", "ok": "acknowledge", "g": "geopoint",
}  # fmt: skip


def survey(kind: str, **cells: str) -> list[list[Any]]:
    rows = [["type", "name", "label", *cells], [kind, "x", "X", *cells.values()]]
    return rows + [[other, name, name] for name, other in TYPES.items() if name != "x"]


def constrained(folder: Path, kind: str, text: str, column: str = "constraint") -> tuple[FormDefinition, tuple[Note, ...]]:
    imported = read(folder, survey(kind, **{column: text}), CHOICES)
    return imported.definition, imported.notes


BOUNDS = [
    ("integer", ". >= 18 and . <= 120", {"min": 18, "max": 120}),
    ("integer", ". > 0 and . < 10", {"min": 1, "max": 9}),
    ("integer", "0 <= . and 10 > .", {"min": 0, "max": 9}),
    ("integer", ". > -1.5", {"min": -1}),
    ("integer", ". >= 1 and . >= 5", {"min": 5}),
    ("decimal", ". >= 0 and . <= 2.5", {"min": 0, "max": 2.5}),
    ("date", ". >= date('2024-01-01') and . < '2025-01-01'", {"min": "2024-01-01", "max": "2024-12-31"}),
    ("time", ". >= '08:00'", {"min": "08:00"}),
    ("dateTime", ". >= date-time('2024-01-01T00:00:00Z')", {"min": "2024-01-01T00:00:00Z"}),
    ("text", "regex(., '^[0-9]{6}$')", {"pattern": "[0-9]{6}"}),
    ("text", "regex(., 'a|b')", {"pattern": "a|b"}),
    ("text", "string-length(.) >= 3 and string-length(.) < 10", {"min_length": 3, "max_length": 9}),
    ("text", "string-length(.) = 5", {"min_length": 5, "max_length": 5}),
    ("select_multiple ab", "count-selected(.) <= 1", {"max": 1}),
]


@pytest.mark.parametrize(("kind", "text", "wanted"), BOUNDS, ids=[f"{kind}: {text}" for kind, text, _ in BOUNDS])
def test_a_constraint_is_a_bound_where_that_is_exact(tmp_path: Path, kind: str, text: str, wanted: dict[str, Any]) -> None:
    form, notes = constrained(tmp_path, kind, text)

    fields = ("min", "max", "min_length", "max_length", "pattern")
    assert {name: value for name in fields if (value := getattr(form.questions[0], name)) is not None} == wanted
    assert (form.rules, notes) == ((), ())


RULES = [
    ("decimal", ". > 0", "x > 0.0"),
    ("decimal", ". <= ${d}", "x <= d"),
    ("integer", ". <= ${d} * 2", "double(x) <= d * 2.0"),
    ("integer", ". = 1 or . = 5", "x == 1 || x == 5"),
    ("integer", ". mod 2 = 0", "x % 2 == 0"),
    ("integer", ". div 2 > 1.5", "double(x) / 2.0 > 1.5"),
    ("integer", "${t} != '' and . > 3 and . < ${n}", "!answered(x) || answered(t) && x < n"),
    ("integer", ". >= ${n} and . > 3", "x >= n"),
    ("text", ". = 'it''s'", None),
    ("text", '. != "it\'s"', 'x != "it\'s"'),
    ("text", "regex(., '(?=a)b')", None),
    ("text", "regex(${t}, '[a-z]+') and contains(., '@')", '!answered(x) || t.matches("^[a-z]+$") && x.contains("@")'),
    ("text", "not(. = ${t})", "!(x == t)"),
    ("text", "starts-with(., 'a') or ends-with(., ${t})", 'x.startsWith("a") || x.endsWith(t)'),
    ("text", "string-length(.) > ${n}", "size(x) > n"),
    ("text", "number(.) > 5", "double(x) > 5.0"),
    ("text", ". > 5", "double(x) > 5.0"),
    ("date", ". <= today()", "x <= today()"),
    ("date", ". >= ${day} and . > today() - 30", 'x >= day && x > today() - duration("720h")'),
    ("date", "int((today() - .) div 365.25) >= 18", 'today() - x >= duration("157788h")'),
    ("date", "(decimal-date-time(today()) - decimal-date-time(.)) < 7", 'today() - x < duration("168h")'),
    ("dateTime", ". <= now()", "x <= now()"),
    ("select_one ab", "selected(., 'a') or . = ${one}", 'x == "a" || x == one'),
    ("select_one n", ". = 1", 'x == "1"'),
    ("select_one n", ". >= ${num}", "double(x) >= double(num)"),
    ("select_one n", ". > 1", "int(x) > 1"),
    ("select_one ab or_other", ". != 'other'", '!x.startsWith("other: ")'),
    ("select_multiple ab", "not(selected(., 'a') and count-selected(.) > 1)", '!("a" in x && size(x) > 1)'),
    ("select_multiple ab", ". = 'a'", '"a" in x && size(x) == 1'),
    ("integer", "if(${one} = 'a', . > 1, . > 2)", 'one == "a" ? x > 1 : x > 2'),
    ("integer", ". > if(${one} = 'a', 1, 2)", 'x > (one == "a" ? 1 : 2)'),
    ("integer", ". > coalesce(${n}, 3)", "x > (answered(n) ? n : 3)"),
    ("decimal", "round(., 1) = .", "round(x, 1) == x"),
    ("decimal", ". = int(.)", "x == double(int(x))"),
    ("acknowledge", ". = 'OK'", "x == true"),
    ("integer", "selected(${many}, 'a')", '!answered(x) || "a" in many'),
    ("integer", ". >= ${c}", "double(x) >= double(c)"),
    ("integer", "regex(., '^[0-9]{4}$')", 'string(x).matches("^[0-9]{4}$")'),
    ("integer", "string-length(.) = 4", "size(string(x)) == 4"),
    ("decimal", "regex(., '[0-9]')", None),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text", "wanted"), RULES, ids=[f"{kind}: {text}" for kind, text, _ in RULES])
def test_a_constraint_that_is_no_bound_is_a_rule(tmp_path: Path, kind: str, text: str, wanted: str | None) -> None:
    form, notes = constrained(tmp_path, kind, text)

    assert [rule.expression for rule in form.rules] == ([wanted] if wanted else [])
    assert any(note.cell for note in notes) == (wanted is None)
    assert any("midnight UTC" in note.message for note in notes) == ("today()" in (wanted or ""))


UNTRANSLATABLE = [
    ("pulldata('hh', 'age', 'id', .) < 5", "pulldata()"),
    ("position(..) > 1", "a path such as ../x"),
    ("indexed-repeat(${n}, ${n}, 1) = .", "indexed-repeat()"),
    ("/data/x = .", "a path such as /data/x"),
    (". >", "ends too early"),
    ("((. > 1)", "ends too early"),
    (". > 1)", "`)`"),
    (". ~ 1", "`~"),
    ("once(1) = .", "once()"),
    (". > ${many}", "texts"),
    (". > ${g}", "opaque"),
    ("1 = 1", "two constants"),
    (".", "by itself"),
    ("jr:choice-name(${one}, '${one}') = 'A'", "jr:choice-name()"),
    ("(" * 60 + ". > 1" + ")" * 60, "nested deeper"),
    (" + ".join(["."] * 60) + " > 1", "operators in a row"),
    ("today() - ${day}", "as a condition"),
    (". > 1 AND . < 3", "`AND` (did you mean `and`?)"),
    (". == 1", "`==` (did you mean `=`?)"),
    (". <> 1", "`<>` (did you mean `!=`?)"),
    ("${n} > 1 && . < 3", "`&&` (did you mean `and`?)"),
    ("true", "`true` (did you mean `true()`?)"),
    ("${last-saved#n} > .", "last-saved"),
]


@pytest.mark.parametrize(("text", "part"), UNTRANSLATABLE, ids=[part for _, part in UNTRANSLATABLE])
def test_what_has_no_counterpart_is_kept_and_told_with_its_cell(tmp_path: Path, text: str, part: str) -> None:
    form, notes = constrained(tmp_path, "integer", text)

    assert form.rules == ()
    assert form.questions[0].metadata["xlsform"]["constraint"] == text
    note = next(note for note in notes if note.cell)
    assert str(note.cell) == "sheet survey, row 2, column constraint"
    assert part in note.message
    assert "write a rule" in note.message


def test_very_long_expressions_are_not_read() -> None:
    for text in (". > 1 " * 5_000, "selected(., 'a') or " * 500 + ". > 1", "not(" * 2_000, "-" * 9_000):
        with pytest.raises(Untranslatable):
            parse(text)


def test_two_hundred_alternatives_are_no_matter(tmp_path: Path) -> None:
    form, notes = constrained(tmp_path, "text", " or ".join(f". = '{number}'" for number in range(120)))

    assert (len(form.rules), notes) == (1, ())


def verdict(form: FormDefinition, number: int = 0, **answers: Any) -> str:
    rule = form.rules[number]
    assert rule.expression is not None
    types = {question.key: VALUE_TYPES[question.type] for question in form.answerable}
    kinds = {question.key: question for question in form.answerable}
    values = {key: value_of(types[key], kinds[key].type, answers.get(key)) for key in types}
    return compiled(check(rule.expression, types).root, rule.on_missing)(values, datetime(2026, 5, 1, tzinfo=UTC))


def test_a_constraint_says_nothing_about_a_missing_answer(tmp_path: Path) -> None:
    form, _ = constrained(tmp_path, "integer", "${n} > 5 and . > ${n}")

    assert verdict(form, n=3) == "kept"
    assert verdict(form, n=3, x=4) == "broken"
    assert verdict(form, n=6, x=4) == "broken"
    assert verdict(form, n=6, x=7) == "kept"
    assert verdict(form, x=7) == "missing"


@pytest.mark.parametrize(
    ("born", "wanted"), [("2008-04-30", "kept"), ("2008-05-01", "broken"), ("2008-06-01", "broken"), (None, "missing")]
)
def test_ages_are_counted_in_days(tmp_path: Path, born: str | None, wanted: str) -> None:
    form, _ = constrained(tmp_path, "date", "int((today() - .) div 365.25) >= 18")

    assert verdict(form, x=born) == wanted


def test_required_under_a_condition_is_a_rule_with_its_message(tmp_path: Path) -> None:
    rows = [
        ["type", "name", "label", "required", "required_message::English (en)", "required_message::Hindi (hi)", "relevant"],
        ["integer", "age", "Age"],
        ["text", "x", "X", "${age} >= 18", "Adults need an X.", "वयस्क", "${age} < 60"],
    ]

    imported = read(tmp_path, rows)

    (rule,) = imported.definition.rules
    assert (rule.name, rule.expression) == ("x_required", "!(age < 60) || !(age >= 18) || answered(x)")
    assert (rule.questions, rule.message) == (("x", "age"), {"en": "Adults need an X.", "hi": "वयस्क"})
    assert [verdict(imported.definition, age=age, x=x) for age, x in ((20, None), (20, "y"), (9, None), (70, None), (None, None))] == [
        "broken", "kept", "kept", "kept", "missing",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("constraint", "required", "field", "rule", "wanted"),
    [
        (". >= 1", "yes", {"en": "C"}, None, {"en": "R"}),
        (". < ${n}", None, {}, {"en": "C"}, {"en": "R"}),
        (". >= 1 and . < ${n}", "no", {"en": "C"}, {"en": "C"}, {"en": "R"}),
        ("pulldata('a', 'b', 'c', .) = 1", "${n} > 1", {"en": "C"}, {"en": "R"}, {}),
        (None, None, {"en": "C"}, None, {"en": "R"}),
    ],
    ids=["bound", "rule", "bound and rule", "not understood, and a condition", "nothing"],
)
def test_messages_are_those_of_what_the_cell_became(
    tmp_path: Path, constraint: str, required: str, field: Any, rule: Any, wanted: Any
) -> None:
    said = {"constraint": constraint, "constraint_message": "C", "required": required, "required_message": "R"}

    form = read(tmp_path, survey("integer", **said), CHOICES).definition

    assert (form.questions[0].constraint_message, form.questions[0].required_message) == (field, wanted)
    assert [one.message for one in form.rules] == ([rule] if rule else [])
    assert "message" not in str(form.questions[0].metadata)


@pytest.mark.parametrize(("text", "wanted"), [(". != ''", None), (". != '' and string-length(.) <= 5", 5)])
def test_that_an_answer_is_there_is_no_rule_where_nothing_is_checked_without_one(tmp_path: Path, text: str, wanted: int | None) -> None:
    form, notes = constrained(tmp_path, "text", text)

    assert (form.rules, notes, form.questions[0].max_length) == ((), (), wanted)


def test_a_message_too_long_for_a_rule_costs_the_message_only(tmp_path: Path) -> None:
    imported = read(tmp_path, survey("integer", constraint=". < ${n}", constraint_message="long " * 300), CHOICES)

    assert [rule.expression for rule in imported.definition.rules] == ["x < n"]
    assert imported.definition.questions[0].constraint_message["en"].startswith("long long")
    assert [str(note.cell) for note in imported.notes] == ["sheet survey, row 2, column constraint_message"]


@pytest.mark.parametrize(
    ("kind", "cells", "column"),
    [
        ("begin_group", {"constraint": ". > 1"}, "constraint"),
        ("begin_group", {"required": "yes"}, "required"),
        ("begin_group", {"repeat_count": "3"}, "repeat_count"),
        ("begin_repeat", {"required": "yes"}, "required"),
        ("note", {"required": "yes"}, "required"),
        ("text", {"choice_filter": "a = ${n}"}, "choice_filter"),
        ("text", {"repeat_count": "${n}"}, "repeat_count"),
        ("text", {"required": "Y"}, "required"),
    ],
)
def test_a_cell_that_clients_pass_over_is_kept_and_told(tmp_path: Path, kind: str, cells: dict[str, str], column: str) -> None:
    rows = survey(kind, **cells)
    inside = [["text", "inner", "Inner"], [kind.replace("begin", "end")]] if kind.startswith("begin") else []

    imported = read(tmp_path, [*rows[:2], *inside, *rows[2:]], CHOICES)

    assert [str(note.cell) for note in imported.notes] == [f"sheet survey, row 2, column {column}"]
    assert imported.definition.questions[0].metadata["xlsform"][column] == cells[column]
    assert (imported.definition.rules, imported.definition.questions[0].required) == ((), False)


def test_the_author_s_message_is_said_when_a_bound_is_broken(tmp_path: Path) -> None:
    rows = [
        ["type", "name", "label", "required", "required_message", "constraint", "constraint_message::en", "constraint_message::Hindi (hi)"],
        ["text", "phone", "Phone", "yes", "Ask for it.", "regex(., '^[0-9]{10}$')", "Ten digits.", "दस अंक।"],
    ]

    form = read(tmp_path, rows).definition

    assert [finding.message for finding in check_answers(form, {"phone": "12"}, "hi")] == ["दस अंक।"]
    assert [finding.message for finding in check_answers(form, {}, "hi")] == ["Ask for it."]


def test_what_is_not_known_to_be_asked_is_never_required(tmp_path: Path) -> None:
    rows = [
        ["type", "name", "label", "required", "relevant"],
        ["begin_group", "g", "G", None, "once(random()) > 0.5"],
        ["text", "x", "X", "yes"],
        ["end_group"],
    ]

    imported = read(tmp_path, rows)

    (group,) = imported.definition.questions
    assert (group.relevant, group.questions[0].required) == (None, False)
    assert [str(note.cell) for note in imported.notes] == ["sheet survey, row 2, column relevant", "sheet survey, row 3, column required"]
    assert group.questions[0].metadata["xlsform"] == {"required": "yes"}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("state = ${one}", {"state": "one"}),
        ("${one} = state and region=${c}", {"state": "one", "region": "c"}),
        ("true() and state = ${one}", {"state": "one"}),
        ("state != ${one}", None),
        ("selected(${many}, state)", {"state": "many"}),
        ("state = 'mh'", None),
        ("name = ${one}", None),
        ("nothere = ${one}", None),
        ("state = ${many}", None),
    ],
)
def test_a_cascade_is_choices_by(tmp_path: Path, text: str, wanted: dict[str, str] | None) -> None:
    choices = [[*row, *(("state", "region") if number == 0 else ("s", "r"))] for number, row in enumerate(CHOICES)]

    imported = read(tmp_path, survey("select_one n", choice_filter=text), choices)

    question: Question = imported.definition.questions[0]
    assert question.choices_by == (wanted or {})
    assert question.choices[0].attributes == {"state": "s", "region": "r"}
    assert [str(note.cell) for note in imported.notes] == ([] if wanted else ["sheet survey, row 2, column choice_filter"])


@pytest.mark.parametrize(
    ("text", "bounds", "rules"),
    [
        ("3", (3, 3), []),
        ("${n}", (None, None), ["size(r) == n"]),
        ("${c} + 1", (None, None), ["size(r) == int(double(c) + 1.0)"]),
        ("0", (None, None), ["size(r) == 0"]),
    ],
)  # fmt: skip
def test_repeat_count_is_bounds_or_a_rule(tmp_path: Path, text: str, bounds: tuple[Any, Any], rules: list[str]) -> None:
    rows = [
        ["type", "name", "label", "repeat_count"],
        ["integer", "n", "N"], ["hidden", "c"],
        ["begin_repeat", "r", "R", text], ["text", "t", "T"], ["end_repeat"],
    ]  # fmt: skip

    imported = read(tmp_path, rows)

    repeat = imported.definition.questions[-1]
    assert (repeat.min, repeat.max) == bounds
    assert [rule.expression for rule in imported.definition.rules] == rules
    assert imported.notes == ()
