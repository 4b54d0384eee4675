"""The rules over a frame and the check at ingest are two programs; they must say the same about every answer."""

import io
import json
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collect_pipelines.forms.answers import check_answers
from collect_pipelines.forms.columns import META_COLUMNS, layout
from collect_pipelines.forms.definition import FormDefinition, Question
from collect_pipelines.forms.reading import read_form
from collect_pipelines.forms.rule_judge import RuleJudge
from collect_pipelines.local.demo_responses import sample_responses
from collect_pipelines.sync.entries import text_frame
from collect_pipelines.validation.compile import RuleSet, compile_rules
from collect_pipelines.validation.values import INTEGER, NUMBER
from tests.drawn import drawn

CHOICES = [{"code": "a", "label": "A"}, {"code": "b", "label": "B"}, {"code": "old", "label": "Old", "retired": True}]
TOWNS = [
    {"code": "a", "label": "A", "attributes": {"state": "a"}},
    {"code": "b", "label": "B", "attributes": {"state": ["a", "b"]}},
    {"code": "zz", "label": "Z"},
]
QUESTIONS: list[dict[str, Any]] = [
    {"key": "text_plain", "type": "text", "required": True},
    {"key": "text_bound", "type": "text", "min_length": 2, "max_length": 4, "pattern": r"\d+|[a-c]+"},
    {"key": "email", "type": "email", "pattern": "[a-z@.]+"},
    {"key": "url", "type": "url", "max_length": 30},
    {"key": "phone", "type": "phone", "required": True, "on_violation": "flag"},
    {"key": "integer_plain", "type": "integer", "required": True},
    {"key": "integer_bound", "type": "integer", "min": -3, "max": 10},
    {"key": "decimal_plain", "type": "decimal"},
    {"key": "decimal_bound", "type": "decimal", "min": 0.5, "max": 7, "on_violation": "flag"},
    {"key": "boolean", "type": "boolean", "required": True},
    {"key": "one", "type": "select_one", "choices": CHOICES, "required": True},
    {"key": "one_other", "type": "select_one", "choices": CHOICES, "other": True},
    {"key": "many", "type": "select_multiple", "choices": CHOICES, "min": 2, "required": True},
    {"key": "many_other", "type": "select_multiple", "choices": CHOICES, "other": True, "max": 3},
    {"key": "rating", "type": "rating"},
    {"key": "rating_wide", "type": "rating", "min": 0, "max": 10},
    {"key": "date", "type": "date", "min": "2026-01-31", "required": True},
    {"key": "time", "type": "time", "min": "09:30", "max": "17:00:30"},
    {"key": "datetime", "type": "datetime", "min": "2026-01-31T09:30:00+05:30", "max": "2026-06-30T00:00:00Z"},
    {"key": "place", "type": "geopoint", "required": True},
    {"key": "file", "type": "file"},
    {"key": "hidden", "type": "hidden"},
    {"key": "rows", "type": "repeat", "min": 1, "max": 2, "required": True, "questions": [
        {"key": "row_name", "type": "text", "required": True, "relevant": "row_age < 100 || boolean"},
        {"key": "row_age", "type": "integer", "max": 120}]},
    {"key": "lines", "type": "repeat", "max": 3, "on_violation": "flag", "questions": [{"key": "line", "type": "text", "required": True}]},
    {"key": "by_then", "type": "integer", "required": True, "relevant": 'today() > date("2029-12-31")'},
    {"key": "until_then", "type": "integer", "required": True, "relevant": 'now() < timestamp("2030-01-01T00:00:00Z")'},
    {"key": "gone", "type": "text", "required": True, "retired": "2026-01-01", "max_length": 2},
    {"key": "group", "type": "group", "relevant": "integer_plain > 3", "questions": [{"key": "inside", "type": "integer", "min": 1}]},
    {"key": "asked", "type": "text", "required": True, "relevant": 'boolean || one == "a"'},
    {"key": "town", "type": "select_one", "choices": TOWNS, "choices_by": {"state": "one"}},
    {"key": "towns", "type": "select_multiple", "choices": TOWNS, "choices_by": {"state": "one_other"}, "on_violation": "flag"},
]  # fmt: skip
RULES: list[dict[str, Any]] = [
    {"name": "order", "expression": 'text_plain < text_bound || text_plain == "ab"'},
    {"name": "sums", "expression": "integer_plain + integer_bound * 2 <= rating"},
    {"name": "sums_later", "expression": "integer_plain + integer_bound * 2 <= rating", "placement": "batch"},
    {"name": "whole", "expression": "integer_plain / integer_bound > 0"},
    {"name": "decimals", "expression": "decimal_plain / decimal_bound < 3.0", "severity": "flag"},
    {"name": "choices", "expression": '"a" in many_other ? one == "b" : one_other != "other: x"'},
    {"name": "days", "expression": 'date <= today() && datetime - duration("72h") < now()', "on_missing": "fail"},
    {"name": "sizes", "expression": "size(many) > 1 && size(rows) < 3 && !answered(gone)"},
    {"name": "clock", "expression": 'time < "12:00:00"'},
    {"name": "patterns", "expression": 'hidden.matches("^[a-c]+$") || email.contains("@y")', "severity": "note"},
    {"name": "places", "expression": "answered(place) || answered(file) || answered(url)"},
    {"name": "converted", "expression": "int(text_bound) < 100 && string(integer_plain) != phone"},
    {"name": "of_rows", "expression": "row_age <= integer_plain && row_name != text_plain"},
    {"name": "of_every_row", "expression": "row_age % integer_bound == 0", "on_missing": "fail"},
    {"name": "by_day_and_row", "expression": 'row_age < 3 || date > date("2026-01-31")'},
]
FORM = FormDefinition.model_validate({"form": "all", "title": "All", "questions": QUESTIONS, "rules": RULES})
NOW = datetime(2030, 1, 1, tzinfo=UTC)
FOR_EVER = float("inf")

SPECIAL_TEXTS = [
    "", " ", "\x1c", "\u00a0", "१२", "1", "-0", "01", "+5", "1_0", "1.", "1e3", "9223372036854775808", "-9223372036854775809", "1e999",
    "nan", "true", "True", "a", "b", "old", "ab", "abcd", "abcde", "abc\n", "\u00e9\u00e9", "\U0001f600\U0001f600", "[]", "[ ]",
    "{}", '{"other": "x"}',
    '["a"]', '["\\q"]', "[1", "null", "x@y.z", "x@y.zz", "X@y.z", "a@b", "http://a.b", "https://a.b/" + "x" * 40, "ftp://a", "http://a b",
    "+91 12345", "१२३", "12", "2026-01-31", "2026-01-30", "2026-02-30", "0000-01-01", "0001-01-01", "9999-12-31", "09:30",
    "09:29:59", "17:00:30",
    "17:00:31", "24:00", "9:30", "2026-01-31T09:30:00+05:30", "2026-01-31T04:00:00Z", "2026-01-31T03:59:59.999999Z",
    "2026-06-30T00:00:00.0000001Z",
    "2026-06-30T00:00:60Z", "2026-06-30T00:00:00+24:00", "2026-06-30T00:00Z", "0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00",
    "2026-02-30T00:00:00Z", "other: x", 'say "x", {"other": "y"}',
]  # fmt: skip

TEXTS = st.one_of(
    st.sampled_from(SPECIAL_TEXTS),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=6),
    st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})", fullmatch=True),
    st.from_regex(r"[0-9]{1,4}-[0-9]{2}-[0-9]{2}|[0-9]{2}:[0-9]{2}(:[0-9]{2})?", fullmatch=True),
)
NUMBERS = st.one_of(
    st.integers(-5, 12),
    st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**70, 0.5, 0.49999, 7.0, 7.0000001, -0.0, 1e22, 1e-7]),
    st.floats(allow_nan=False, allow_infinity=False),
)
OTHERS = st.builds(lambda text: {"other": text}, TEXTS)
CODES = st.sampled_from(["a", "b", "old", "zz", "", "other: x"])
PLACES = st.fixed_dictionaries(
    {"latitude": NUMBERS, "longitude": NUMBERS},
    optional={"altitude": NUMBERS, "accuracy": NUMBERS, "more": NUMBERS},
)
FILES = st.fixed_dictionaries({"name": TEXTS}, optional={"url": TEXTS, "sha256": st.just("a" * 64), "size": NUMBERS, "type": TEXTS})
CELLS = {"row_name": TEXTS, "row_age": NUMBERS, "line": TEXTS, "more": TEXTS}
ROWS = st.lists(st.one_of(NUMBERS, st.fixed_dictionaries({}, optional=CELLS)), max_size=4)
VALUES = st.one_of(
    st.none(), st.booleans(), TEXTS, NUMBERS, OTHERS, st.lists(st.one_of(CODES, OTHERS), max_size=5), st.lists(NUMBERS, max_size=2),
    PLACES, FILES, ROWS, st.dictionaries(TEXTS, TEXTS, max_size=2),
)  # fmt: skip
ANSWERS = st.fixed_dictionaries({question.key: VALUES for question in FORM.answerable})


def as_text(value: Any) -> str | None:
    """What `answers->>key` makes of a JSON value."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def as_read(question: Question, text: str | None) -> Any:
    """The JSON value a text of the log stands for: `->>` tells no longer whether 5 was a number or a text."""
    if text is None or question.type in ("text", "email", "url", "phone", "date", "time", "datetime", "hidden"):
        return text
    if question.type in ("integer", "rating"):
        return int(text) if matches(INTEGER, text) else text
    if question.type == "decimal":
        return float(text) if matches(NUMBER, text) else text
    if question.type == "boolean":
        return {"true": True, "false": False}.get(text, text)
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if value is None:
        return text  # a JSON null has no text at all
    if question.type == "select_one":
        return value if isinstance(value, dict) and value.keys() == {"other"} and isinstance(value["other"], str) else text
    return value


def matches(pattern: str, text: str) -> bool:
    return bool(pl.Series([text]).str.contains(pattern)[0])


def through_csv(form: FormDefinition, answers: list[dict[str, Any]]) -> pl.DataFrame:
    """A frame of texts, made the way the store hands the log over."""
    columns = layout([form])
    out = io.StringIO()
    out.write(",".join([*META_COLUMNS, *(f"k{place}" for place in range(len(columns)))]) + "\n")
    for position, one in enumerate(answers, 1):
        cells = [str(position), f"r{position}", "1", "create", "1", None, "2030-01-01T00:00:00Z", "api", None]
        cells += [as_text(one.get(column.key)) for column in columns]
        out.write(",".join("" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in cells) + "\n")
    return text_frame(out.getvalue().encode(), columns)


def over_frame(rules: RuleSet, frame: pl.DataFrame) -> list[set[tuple[str, str, str]]]:
    found: list[set[tuple[str, str, str]]] = [set() for _ in range(frame.height)]
    violations = rules.violations(frame)
    for rule in rules.rules:
        of_form = rule.code.startswith("rule.")
        for row in violations[rule.name]:
            found[row].add((f"rule.{rule.data['rule']}", rule.code, "") if of_form else (rule.question, rule.code, rule.severity))
    return found


def at_ingest(form: FormDefinition, answers: dict[str, Any]) -> set[tuple[str, str, str]]:
    read = {question.key: as_read(question, as_text(answers.get(question.key))) for question in form.answerable}
    found = set()
    for finding in check_answers(form, read, now=NOW):
        key = (finding.question or "").partition("[")[0]
        if finding.code not in ("retired", "choice.retired"):  # always flags, told at ingest only
            inner = finding.question != key
            if not inner or finding.severity == "reject":
                found.add((key, "rows" if inner else finding.code, finding.severity))
    return found | {(rule, verdict, "") for rule, verdict in judged_rules(form, read).items()}


def judged_rules(form: FormDefinition, read: dict[str, Any]) -> dict[str, str]:
    """Rules that are not kept; one that a row breaks and another row leaves undecided is broken."""
    found: dict[str, str] = {}
    every_rule = form.model_copy(update={"rules": tuple(rule.model_copy(update={"placement": "ingest"}) for rule in form.rules)})
    for judged in RuleJudge(every_rule).judged(read, NOW, FOR_EVER):
        name = f"rule.{judged.checked.rule.name}"
        if found.get(name) != name:
            found[name] = "rule.error" if judged.verdict == "error" else name
    return found


@lru_cache(maxsize=64)
def compiled_rules(form: str) -> RuleSet:
    return compile_rules(FormDefinition.model_validate_json(form))


def disagreements(form: FormDefinition, answers: list[dict[str, Any]]) -> list[tuple[str, str, str, Any]]:
    """(question or rule, code, who found it, answer) wherever only one of the two found a rule broken."""
    judged = over_frame(compiled_rules(form.model_dump_json(exclude_unset=True)), through_csv(form, answers))
    differing = []
    for one, batch in zip(answers, judged, strict=True):
        ingest = at_ingest(form, one)
        differing += [(key, f"{code} {severity}", "only over the frame", one.get(key)) for key, code, severity in batch - ingest]
        differing += [(key, f"{code} {severity}", "only at ingest", one.get(key)) for key, code, severity in ingest - batch]
    return differing


@given(st.lists(ANSWERS, min_size=1, max_size=3))
@drawn(8)
def test_a_frame_is_judged_as_ingest_judges_each_response(answers: list[dict[str, Any]]) -> None:
    assert disagreements(FORM, answers) == []


@pytest.mark.parametrize("text", SPECIAL_TEXTS)
def test_texts_that_engines_like_to_read_differently_are_judged_alike(text: str) -> None:
    assert disagreements(FORM, [dict.fromkeys((question.key for question in FORM.answerable), text)]) == []


BESIDE = {"rows": ["boolean"], "asked": ["boolean", "one"], "town": ["one"], "towns": ["one_other"]}


@pytest.mark.parametrize("key", [question.key for question in FORM.answerable])
@given(data=st.data())
@drawn(3)
def test_each_question_is_judged_alike(key: str, data: st.DataObject) -> None:
    keys = [key, *BESIDE.get(key, ())]
    form = FormDefinition(form="one", title={"en": "One"}, questions=tuple(FORM.by_key[one] for one in keys))
    answers = data.draw(st.lists(st.fixed_dictionaries(dict.fromkeys(keys, VALUES)), min_size=1, max_size=12))

    assert disagreements(form, answers) == []


SMALL = st.none() | st.integers(-3, 4)
WORDS = st.none() | st.sampled_from(["ab", "abc", "12", "-0", " ", "\U0001f600", "9223372036854775808"])
FITTING = st.fixed_dictionaries(
    {
        **dict.fromkeys(("integer_plain", "integer_bound", "rating"), SMALL | st.sampled_from([2**63 - 1, -(2**63)])),
        **dict.fromkeys(("decimal_plain", "decimal_bound"), st.none() | st.sampled_from([0.0, -0.0, 1.5, 1e308, -1e-308])),
        **dict.fromkeys(("text_plain", "text_bound", "hidden", "phone"), WORDS),
        "boolean": st.none() | st.booleans(),
        **dict.fromkeys(("one", "one_other"), st.none() | st.sampled_from(["a", "b", {"other": "x"}, {"other": " "}])),
        **dict.fromkeys(("many", "many_other"), st.none() | st.lists(st.sampled_from(["a", "b", {"other": "x"}]), max_size=3)),
        "date": st.none() | st.sampled_from(["2026-01-31", "2030-01-01", "2030-01-02"]),
        "datetime": st.none() | st.sampled_from(["2030-01-04T00:00:00Z", "2030-01-03T23:59:59.999999Z", "0001-01-01T00:00:00Z"]),
        "time": st.none() | st.sampled_from(["12:00", "11:59:59", "12:00:01"]),
        "rows": st.none() | st.lists(st.fixed_dictionaries({"row_name": WORDS, "row_age": SMALL}), max_size=3),
        "place": st.none() | st.just({"latitude": 1, "longitude": 2}),
        "url": WORDS,
        "towns": st.none() | st.lists(st.sampled_from(["a", "b", "zz"]), max_size=2),
    }
)


@given(st.lists(FITTING, min_size=1, max_size=25))
@drawn(8)
def test_rules_of_the_form_are_judged_alike_where_answers_have_their_type(answers: list[dict[str, Any]]) -> None:
    assert disagreements(FORM, answers) == []


def test_a_question_inside_rejects_whatever_its_repeat_says_of_its_own_rules() -> None:
    (judged,) = over_frame(compile_rules(FORM), through_csv(FORM, [{"lines": [{}, {"line": "x"}, {"line": "x"}, {"line": "x"}]}]))

    assert {(code, severity) for key, code, severity in judged if key == "lines"} == {("rows", "reject"), ("max", "flag")}


def test_what_is_asked_until_a_day_is_judged_by_the_moment_of_acceptance() -> None:
    (judged,) = over_frame(compile_rules(FORM), through_csv(FORM, [{"until_then": 1}]))

    assert {one for one in judged if one[0].endswith("_then")} == {("by_then", "required", "reject"), ("until_then", "irrelevant", "flag")}
    assert judged == at_ingest(FORM, {"until_then": 1})


def test_a_rule_for_batches_only_is_judged_as_one_that_answers_the_collector() -> None:
    judged = over_frame(compile_rules(FORM), through_csv(FORM, [{"integer_plain": 3, "integer_bound": 2, "rating": 1}]))

    assert {rule for rule, code, _ in judged[0] if rule == code} >= {"rule.sums", "rule.sums_later", "rule.days"}


@pytest.mark.parametrize("sample", sorted((Path(__file__).parents[2] / "samples").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_sample_form_in_several_languages_with_a_repeat_is_judged_alike(sample: Path) -> None:
    form = read_form(sample.read_bytes())
    answers = [document["answers"] for document in islice(sample_responses(form, seed=1), 20)]

    assert disagreements(form, answers) == []
    assert [check_answers(form, one) for one in answers] == [[]] * len(answers)
