"""What an author can write in a rule, and what is said, where, about everything else."""

import subprocess
import sys

import pytest

from collect_pipelines.errors import RuleInvalid, RuleProblem
from collect_pipelines.rules.language import MAX_CHARACTERS, MAX_PROBLEMS, ValueType, check
from collect_pipelines.rules.nodes import Call, Field, Literal, Node, call, depth, field, keys, literal, unparse

FIELDS: dict[str, ValueType] = {
    "savings": "decimal", "income": "decimal", "age": "integer", "members": "integer", "name": "text", "state": "text", "crops": "texts",
    "consent": "boolean", "visit": "date", "born": "date", "seen": "datetime", "opens": "time", "children": "rows", "place": "opaque",
    "int": "integer", "date": "date",
}  # fmt: skip


def problems(text: str) -> list[RuleProblem]:
    with pytest.raises(RuleInvalid) as caught:
        check(text, FIELDS)
    assert caught.value.fix is not None
    assert caught.value.message == "\n".join(map(str, caught.value.problems))
    return list(caught.value.problems)


def parts(node: Node) -> list[Node]:
    return [node, *(part for arg in node.args for part in parts(arg))] if isinstance(node, Call) else [node]


@pytest.mark.parametrize(
    ("text", "read_as"),
    [
        ("savings <= income", "savings <= income"),
        ("savings<=5", "savings <= 5.0"),
        ("5 < savings", "5.0 < savings"),
        ("savings in [1, 2.5]", "savings in [1.0, 2.5]"),
        ("savings <= (consent ? 1 : 2)", "savings <= (consent ? 1.0 : 2.0)"),
        ("savings * 2 <= income + 100", "savings * 2.0 <= income + 100.0"),
        ("savings - income / 3 >= -1", "savings - income / 3.0 >= -1.0"),
        ("(savings - income) / 3 >= 0", "(savings - income) / 3.0 >= 0.0"),
        ("savings - (income - 1) >= 0", "savings - (income - 1.0) >= 0.0"),
        ("age % 2 == 0 && -age < 0x10", "age % 2 == 0 && -age < 16"),
        ("-(-age) == 1", "-(-age) == 1"),
        ("age == -9223372036854775808", "age == -9223372036854775808"),
        ("savings < 1e3", "savings < 1000.0"),
        ("double(age) * 1.5 < income", "double(age) * 1.5 < income"),
        ("int(name) == int(income) && string(age) == string(consent)", "int(name) == int(income) && string(age) == string(consent)"),
        ("round(savings, 2) == round(income)", "round(savings, 2) == round(income)"),
        ("round(3) == income", "round(3.0) == income"),
        ("consent || !consent && age > 1", "consent || !consent && age > 1"),
        ("(consent || consent) && consent", "(consent || consent) && consent"),
        ("consent && (consent && consent)", "consent && consent && consent"),
        ("consent == (age > 1)", "consent == (age > 1)"),
        ("consent ? age > 1 : age < 1 ? consent : true", "consent ? age > 1 : age < 1 ? consent : true"),
        ("name in ['a', \"b\"]", 'name in ["a", "b"]'),
        ("'rice' in crops && !(\"x\" in crops)", '"rice" in crops && !("x" in crops)'),
        ("name in crops", "name in crops"),
        ("size(name) < 3 && name.size() > size(crops) + size(children)", "size(name) < 3 && size(name) > size(crops) + size(children)"),
        ("name.startsWith('a') || name.endsWith(state)", 'name.startsWith("a") || name.endsWith(state)'),
        ("name.contains('a') && matches(name, r'^\\d+$')", 'name.contains("a") && name.matches("^\\\\d+$")'),
        ("answered(place) && !answered(children)", "answered(place) && !answered(children)"),
        ("visit >= date('2026-01-31')", 'visit >= date("2026-01-31")'),
        ("date == date('2024-02-29')", 'date == date("2024-02-29")'),
        ("seen < timestamp('2026-01-31T09:30:00+05:30')", 'seen < timestamp("2026-01-31T04:00:00Z")'),
        ("seen > visit", "seen > visit"),
        ("visit + duration('1.5h') < seen - duration('90m')", 'visit + duration("90m") < seen - duration("90m")'),
        ("seen - visit <= duration('72h')", 'seen - visit <= duration("72h")'),
        ("visit - born > duration('-1ms')", 'visit - born > duration("-1000us")'),
        ("visit <= today() && seen <= now()", "visit <= today() && seen <= now()"),
        (
            "visit in [date('2026-01-31'), timestamp('2026-01-31T09:30:00Z')]",
            'visit in [date("2026-01-31"), timestamp("2026-01-31T09:30:00Z")]',
        ),
        ("opens < '09:30:00' && opens in ['08:00:00']", 'opens < "09:30:00" && opens in ["08:00:00"]'),
        ("opens == (consent ? '08:00:00' : '09:00:00')", 'opens == (consent ? "08:00:00" : "09:00:00")'),
        ("int == 1", "int == 1"),
        ("name == 'न\\u0928\\n\"' // a remark", 'name == "नन\\n\\""'),
        ("true", "true"),
        ("age\n  > 1", "age > 1"),
    ],
)
def test_what_the_language_has_is_read_and_written(text: str, read_as: str) -> None:
    checked = check(text, FIELDS)

    assert unparse(checked.root) == read_as
    assert unparse(check(read_as, FIELDS).root) == read_as
    assert checked.root.type == "boolean"


def test_a_checked_rule_knows_its_questions_and_the_place_of_each_part() -> None:
    checked = check("income >= savings\n && answered(place) && savings > 0", FIELDS)

    assert checked.keys == ("income", "savings", "place")
    assert isinstance(checked.root, Call)
    places = {unparse(part): part.position for part in parts(checked.root)}
    assert (places["income"], places["income >= savings"], places["answered(place)"], places["savings > 0.0"]) == (0, 7, 22, 49)


@pytest.mark.parametrize(
    ("text", "place", "message", "fix"),
    [
        ("savigns <= income", (1, 1), "no question `savigns`", "did you mean `savings`?"),
        ("savings <= income\n  && incom > 1", (2, 6), "no question `incom`", "`income`"),
        ("name == 'é👍' && zzz", (1, 17), "no question `zzz`", "key of a question"),
        ("savings == null", (1, 12), "no null", "answered(key)"),
        ("name <= 5", (1, 6), "a text and an integer", "int(x)"),
        ("age == '5'", (1, 5), "an integer and a text", "leave out the quotes"),
        ("age < 5.0", (1, 5), "an integer and a decimal", "double(x)"),
        ("age < savings", (1, 5), "an integer and a decimal", "double(x)"),
        ("visit < '2026-01-31'", (1, 7), "a date and a text", 'date("2026-01-31")'),
        ("today() - 30 < visit", (1, 9), "a date and an integer", 'duration("72h")'),
        ("opens < '09:30'", (1, 9), "hours, minutes and seconds", '"09:30:00"'),
        ("opens == (consent ? '09' : '10:00:00')", (1, 19), "hours, minutes and seconds", '"09:30:00"'),
        ("crops == name", (1, 7), "codes of a select_multiple", '"code" in key'),
        ("'a' in name", (1, 5), "a text", "contains"),
        ("age in crops", (1, 5), "an integer and the codes", '"code" in key'),
        ("name in []", (1, 6), "empty", "at least one"),
        ("name in [state]", (1, 10), "values only", "=="),
        ("age in [1, 'a']", (1, 5), "an integer and a text", "leave out the quotes"),
        ("name == ['a']", (1, 9), "only possible after `in`", 'key in ["a", "b"]'),
        ("place == name", (1, 7), "a place or file", "answered"),
        ("children > 2", (1, 10), "the rows of a repeat", "size(key)"),
        ("1 < age < 3", (1, 9), "true or false", "&&"),
        ("consent < true", (1, 9), "true or false", "== and !="),
        ("age && consent", (1, 5), "`&&` does not go with", "a < b && c < d"),
        ("name + state == 'x'", (1, 6), "`+` does not go with a text", "docs/rules.md"),
        ("income % 2 == 0", (1, 8), "`%` does not go with", "int(x)"),
        ("age + 1", (1, 1), "gives integer", "compare"),
        ("name", (1, 1), "gives text", "compare"),
        ("size(age) > 1", (1, 1), "`size` does not go with an integer", "docs/rules.md"),
        ("string(income) == ''", (1, 1), "`string` does not go with a decimal", "docs/rules.md"),
        ("consent && foo(name)", (1, 12), "no function foo", "answered, contains"),
        ("lenght(name) > 1", (1, 1), "no function lenght", "there are"),
        ("contain(name, 'a')", (1, 1), "no function contain", "did you mean contains?"),
        ("selected(crops, 'a')", (1, 1), "no function selected", '"code" in key'),
        ("name.round() > 1.0", (1, 6), "no method", "round(...)"),
        ("answered(age + 1)", (1, 1), "key of one question", "answered(key)"),
        ("answered()", (1, 1), "key of one question", "answered(key)"),
        ("date(name) < visit", (1, 1), "one text in quotes", "the value itself"),
        ("visit < date('2026-02-30')", (1, 14), "no day of the calendar", 'date("2026-01-31")'),
        ("seen < timestamp('2026-01-31')", (1, 18), "no moment", "timestamp("),
        ("seen < timestamp('2026-01-31T09:30:00.0000001Z')", (1, 18), "no moment", "microseconds"),
        ("seen - visit < duration('3 days')", (1, 25), "no duration", 'duration("72h")'),
        ("seen - visit < duration('1ns')", (1, 25), "no duration", "microseconds"),
        ("seen - visit < duration('99999999h')", (1, 25), "no duration", "10,000 years"),
        ("round(income, age) > 0.0", (1, 15), "from 0 to 6", "round(x, 2)"),
        ("round(income, 7) > 0.0", (1, 15), "from 0 to 6", "round(x, 2)"),
        ("name.matches(state)", (1, 14), "written in the rule", "in quotes"),
        ("name.matches('(a)\\\\1')", (1, 14), "can't be used", "back-references"),
        ("name.matches('a(?=b)')", (1, 14), "can't be used", "look-around"),
        ("age == 9223372036854775808", (1, 8), "too large", "63 bits"),
        ("age == -(-9223372036854775808)", (1, 8), "too large", "63 bits"),
        ("income < 1e400", (1, 10), "too large", "1.8e308"),
        ("age == 5u", (1, 8), "unsigned", "without u"),
        ("name == b'a'", (1, 9), "bytes", "without b"),
        ("name == '\\u0000'", (1, 9), "NUL", "remove"),
        ("name.first == 'a'", (1, 5), "no fields", "own key"),
        ("crops[0] == 'a'", (1, 6), "no parts", "size(key)"),
        ("has(name.first)", (1, 4), "has()", "answered(key)"),
        ("has(name)", (1, 5), "macros", "answered(key)"),
        ("crops.all(c, c == 'a')", (1, 10), "macros", "comparison"),
        ("{'a': 1}['a'] == 1", (1, 9), "no parts", "size(key)"),
        ("dyn(name) == 1", (1, 1), "no function dyn", "there are"),
        ("savings <=", (1, 11), "ends too early", "missing at the end"),
        ("(savings <= income", (1, 19), "a `)` is missing at the end", "write it there"),
        ("size(name > 1", (1, 14), "a `)` is missing", "write it there"),
        ("savings <= income)", (1, 18), "`)` is not expected", "parenthesis"),
        ("savings = income", (1, 9), "not part of the language", "`==`"),
        ("consent and consent", (1, 9), "`and` is not expected", "`&&`"),
        ("not consent", (1, 5), "`consent` is not expected", "`!`"),
        ("${age} > 1", (1, 1), "not part of the language", "`age` instead of `${age}`"),
        ("name == 'abc", (1, 9), "not closed", "same quote"),
        ("True", (1, 1), "`True` is no question", "`true`"),
        ("for > 1", (1, 1), "a word of the language itself", "another key"),
        ("", (1, 1), "empty", "savings <= income"),
        ("  \n ", (1, 1), "empty", "savings <= income"),
    ],
)
def test_every_fault_names_its_place_and_what_to_write(text: str, place: tuple[int, int], message: str, fix: str) -> None:
    first = problems(text)[0]

    assert (first.line, first.column) == place
    assert message in first.message
    assert fix in first.fix


def test_all_faults_are_told_at_once() -> None:
    found = problems("savigns <= 5 && name <= 5 &&\nvisit < '2026-01-31' || consent < 1")

    assert [(problem.line, problem.column) for problem in found] == [(1, 1), (1, 22), (2, 7), (2, 33)]
    assert len(problems(" || ".join(f"q{number} > 1" for number in range(100)))) == MAX_PROBLEMS


def test_a_rule_may_be_4000_characters_long_and_24_operations_deep() -> None:
    chain = " + ".join(["age"] * 23) + " > 0"

    assert depth(check(chain, FIELDS).root) == 24
    assert "nested" in problems("1 + " + chain)[0].message
    assert check("name in ['" + "x" * (MAX_CHARACTERS - 12) + "']", FIELDS).keys == ("name",)
    assert (problems("x" * (MAX_CHARACTERS + 1))[0].column, "longer than 4000" in problems("x" * (MAX_CHARACTERS + 1))[0].message) == (
        4001,
        True,
    )


def test_five_hundred_questions_of_one_type_can_be_compared_in_one_rule() -> None:
    fields: dict[str, ValueType] = {f"a{number}": "integer" for number in range(500)}

    checked = check(" && ".join(f"{key} > 0" for key in list(fields)[:300]), fields)

    assert len(checked.keys) == 300


def test_trees_can_be_built_without_text() -> None:
    bounds = call("&&", call(">=", field("age", "integer"), literal(0)), call("<=", field("age", "integer"), literal(120)))
    pattern = call("matches", field("name", "text"), literal("^[A-Z]"))

    assert unparse(bounds) == "age >= 0 && age <= 120"
    assert keys(call("&&", bounds, pattern)) == ("age", "name")
    assert check(unparse(pattern), FIELDS).root == Call(
        "matches", (Field("name", "text"), Literal("^[A-Z]", "text", position=13)), "boolean", position=5
    )
    assert unparse(call("one_of", field("age", "integer"), literal(1), literal(2))) == "age in [1, 2]"
    with pytest.raises(ValueError, match="no operation <= for text, integer"):
        call("<=", field("name", "text"), literal(1))


def test_cel_is_imported_only_when_a_rule_is_checked() -> None:
    program = (
        "import sys; import collect_pipelines.rules.language, collect_pipelines.rules.evaluate, collect_pipelines.rules.vectorized;"
        "assert not {'cel_expr_python', 'google.protobuf', 'polars'} & set(sys.modules), sorted(sys.modules);"
        "from collect_pipelines.rules.language import check; check('a > 1', {'a': 'integer'});"
        "assert 'cel_expr_python' in sys.modules and 'polars' not in sys.modules"
    )

    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stderr == ""
