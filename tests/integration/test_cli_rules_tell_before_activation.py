"""`collect rules`: what a form's rules say, and what they would have done, on a real log and on files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result

from collect_pipelines.cli.root import collect
from collect_pipelines.store.database import Database
from tests.integration.sync_tools import one_database
from tests.integration.validation_tools import UNIQUE, Log, log

if TYPE_CHECKING:
    from collect_pipelines.local.postgres import EmbeddedPostgres

FORM = """\
form: savers
title: Savers
languages: [en, hi]
questions:
  - {key: phone, type: phone, label: Phone}
  - {key: income, type: integer, label: Income, min: 0}
  - {key: savings, type: integer, label: Savings, required: true, relevant: income > 0}
  - {key: members, type: repeat, label: Members, questions: [{key: age, type: integer, label: Age}]}
rules:
  - {name: affordable, expression: savings <= income, message: {en: Too much., hi: बहुत ज़्यादा।}}
  - {name: adults, expression: age >= 18, severity: flag}
  - {name: rate, expression: savings / income < 2, severity: note, placement: batch}
  - {name: phone_once, unique: [phone]}
  - {name: incomes, complete: income, at_least: 0.95}
  - {name: steady, volume: {min: 10}, factor: 3}
"""


@pytest.fixture(scope="module")
def database(postgres: "EmbeddedPostgres", template_database: str) -> Iterator[Database]:
    with one_database(postgres, template_database) as opened:
        yield opened


@pytest.fixture(scope="module")
def filled(database: Database) -> Log:
    """A form without rules of its own, and 1,000 responses of which 31 save more than they have."""
    it = log(database)
    it.send_many(
        *[{"phone": f"98765{number:05}", "income": 10, "savings": 20 if number % 32 == 0 and number < 992 else 5} for number in range(1000)]
    )
    it.flush()
    return it


@pytest.fixture
def form_file(tmp_path: Path) -> str:
    file = tmp_path / "savers.yaml"
    file.write_text(FORM)
    return str(file)


def run(database: Database, *words: str, code: int = 0) -> Result:
    told = CliRunner().invoke(collect, ["rules", *words], env={"COLLECT_DATABASE_URL": database.url})
    assert told.exit_code == code, f"{told.stdout}\n{told.stderr}"
    return told


def told_json(database: Database, *words: str) -> Any:
    return json.loads(run(database, *words, "--json").stdout)


def test_every_rule_is_listed_with_what_must_be_true(database: Database, form_file: str) -> None:
    listed = {rule["name"]: rule for rule in told_json(database, "list", "savers", "--definition", form_file)["rules"]}

    assert {name: rule["text"] for name, rule in listed.items()} == {
        "phone.format": "phone is a phone number",
        "income.type": "income is a whole number",
        "income.min": "income >= 0",
        "savings.type": "savings is a whole number",
        "savings.required": "income > 0 ? answered(savings) : true",
        "savings.irrelevant": "income > 0 || !answered(savings)",
        "members.type": "members is a list of rows",
        "members.rows": "members has rows that keep the rules of the questions inside",
        "members.max": "size(members) <= 1000",
        "age.type": "age is a whole number",
        "rule.affordable": "savings <= income",
        "rule.adults": "each row of members: age >= 18",
        "rule.rate": "savings / income < 2",
        "rule.phone_once": "no two responses share phone",
        "rule.incomes": "income is answered in 95% of the responses of the last 20 batches",
        "rule.steady": "responses in a batch: at least 10, up to 3 times more or fewer than the median of the last 20",
    }
    assert [(rule["severity"], rule["placement"]) for name, rule in listed.items() if name.startswith("rule.")] == [
        ("reject", "ingest"), ("flag", "ingest"), ("note", "batch"), ("reject", "batch"), ("flag", "batch"), ("flag", "batch"),
    ]  # fmt: skip
    assert "rule.affordable\treject\tingest\tsavings <= income" in run(database, "list", "savers", "--definition", form_file).stdout


def test_one_rule_is_shown_with_its_messages(database: Database, form_file: str) -> None:
    shown = run(database, "show", "savers", "affordable", "--definition", form_file).stdout

    assert "message (hi): बहुत ज़्यादा।" in shown and "savings <= income" in shown
    assert "`collect rules list savers`" in run(database, "show", "savers", "nothing", "--definition", form_file, code=4).stderr


def test_rules_are_tried_on_the_log_before_they_are_published(database: Database, filled: Log, form_file: str) -> None:
    told = run(database, "test", filled.slug, "--definition", form_file, "--rule", "affordable")
    lines = told.stdout.splitlines()

    assert lines[0] == "rule.affordable: would have rejected 31 of 1,000 (3.1 %)"
    assert len(lines) == 11 and all(line.endswith(": savings, income") for line in lines[1:])
    assert "All rules together would have rejected 31 of 1,000 (3.1 %) responses." in told.stderr
    assert filled.rows("quarantine") == filled.rows("unique_value") == []


def test_a_form_file_stands_for_the_form_it_names(database: Database, filled: Log, tmp_path: Path, form_file: str) -> None:
    draft = tmp_path / "draft.yaml"
    draft.write_text(FORM.replace("form: savers", f"form: {filled.slug}"))
    told = run(database, "test", str(draft), "--rule", "affordable", "--against", "last:1000")

    assert told.stdout.startswith("rule.affordable: would have rejected 31 of 1,000 (3.1 %)")
    assert "is the form" not in told.stderr
    assert "rule.affordable" in run(database, "list", form_file).stdout
    assert f"`collect rules list {form_file}`" in run(database, "show", form_file, "nothing", code=4).stderr


def test_rules_of_one_form_on_the_responses_of_another_are_told(database: Database, filled: Log, form_file: str) -> None:
    told = run(database, "test", filled.slug, "--definition", form_file, "--rule", "affordable")

    assert f"is the form savers; its rules are read, and the responses are those of {filled.slug}" in told.stderr


def test_every_name_that_a_trial_tells_is_listed(database: Database, tmp_path: Path, form_file: str) -> None:
    choices = ", choices: [{code: w, label: Wheat}]"
    more = f"  - {{key: crop, type: select_one{choices}}}\n  - {{key: crops, type: select_multiple{choices}}}\nrules:"
    Path(form_file).write_text(FORM.replace("rules:", more))
    (tmp_path / "none.ndjson").write_text("")
    listed = {rule["name"] for rule in told_json(database, "list", "savers", "--definition", form_file)["rules"]}
    words = ("test", "savers", "--definition", form_file, "--against", str(tmp_path / "none.ndjson"))

    assert {rule["rule"] for rule in told_json(database, *words)["rules"]} == listed - {"age.type"}


def test_only_the_last_responses_are_looked_at_when_told_so(database: Database, filled: Log, form_file: str) -> None:
    found = told_json(database, "test", filled.slug, "--definition", form_file, "--against", "last:100")

    assert found["responses"] == 100
    assert next(rule for rule in found["rules"] if rule["rule"] == "rule.affordable")["broken"] == 2


def test_answers_are_printed_only_when_asked_for(database: Database, filled: Log, form_file: str) -> None:
    words = ("test", filled.slug, "--definition", form_file, "--rule", "rule.affordable")

    assert "savings=" not in run(database, *words).stdout
    assert "savings=20, income=10" in run(database, *words, "--show-values").stdout
    assert all("values" not in one for rule in told_json(database, *words)["rules"] for one in rule["first"])


def test_answers_are_printed_on_one_line_and_do_not_steer_the_terminal(database: Database, tmp_path: Path, form_file: str) -> None:
    (tmp_path / "some.ndjson").write_text(json.dumps({"id": "a\nb", "phone": "no\x1b[2Jway\r\n"}) + "\n")
    words = ("test", "savers", "--definition", form_file, "--against", str(tmp_path / "some.ndjson"), "--show-values")

    assert "\n    a b: phone=no [2Jway  \n" in run(database, *words, "--rule", "phone.format").stdout


def test_the_published_version_is_tried_when_no_file_is_named(database: Database, filled: Log) -> None:
    it = log(database, {"name": "affordable", "expression": "savings <= income"}, UNIQUE)
    it.send("first", {"phone": "1111", "savings": 2, "income": 1})
    it.send("second", {"phone": "2222"})
    it.send("second", {}, "delete", 1)
    it.send("third", {"phone": "2222"})
    it.send("fourth", {"phone": "2222"})
    it.flush()
    found = told_json(database, "test", it.slug)

    assert (found["responses"], found["rejected"]) == (4, 2)
    assert {rule["rule"]: [one["id"] for one in rule["first"]] for rule in found["rules"] if rule["broken"]} == {
        "rule.affordable": ["first"],
        "rule.phone_once": ["fourth"],
    }


def test_a_file_of_responses_needs_no_database(tmp_path: Path, form_file: str) -> None:
    lines = ['{"id": "a", "answers": {"phone": "1111", "income": 1, "savings": 2}}', "", '{"phone": "1111", "income": 0, "savings": 0}']
    (tmp_path / "some.ndjson").write_text("\n".join(lines))
    (tmp_path / "some.csv").write_text("Phone,Income,Savings\n1111,1,2\n2222,-1,\n")
    nowhere = {"COLLECT_DATA_DIR": str(tmp_path / "none")}

    def counts(file: str) -> dict[str, int]:
        words = ["rules", "test", "savers", "--definition", form_file, "--against", str(tmp_path / file), "--json"]
        told = CliRunner().invoke(collect, words, env=nowhere)
        assert told.exit_code == 0, told.stderr
        return {rule["rule"]: rule["broken"] for rule in json.loads(told.stdout)["rules"] if rule["broken"]}

    assert counts("some.ndjson") == {"savings.irrelevant": 1, "rule.affordable": 1, "rule.rate": 1, "rule.rate.error": 1}
    assert counts("some.csv") == {"income.min": 1, "rule.affordable": 1, "rule.rate": 1}


@pytest.mark.parametrize(
    ("against", "content", "told"),
    [
        ("last:none", None, "names no number"),
        ("missing.csv", None, "There is no file"),
        ("last:0", None, "names no number"),
        ("bad.ndjson", '{"answers": {}}\n[1]\n', "bad.ndjson:2: not a JSON object"),
        ("bad.ndjson", '{"answers": [1]}\n', "bad.ndjson, line 1: `answers` is not a JSON object"),
        ("bad.ndjson", '{"income": NaN}\n', "bad.ndjson:1: not JSON"),
        ("half.ndjson", '{"phone": "\\ud800"}\n', "half.ndjson:1: not UTF-8"),
        ("latin.ndjson", '{}\n{"phone": "\udce9"}\n', "latin.ndjson:2: not UTF-8"),
        ("bad.csv", "Phone,Income\n1111,many\n", "bad.csv:2: Column 'Income'"),
    ],
)
def test_what_can_not_be_read_is_told_with_its_place(tmp_path: Path, form_file: str, against: str, content: str | None, told: str) -> None:
    if content is not None:
        (tmp_path / against).write_text(content, "utf-8", "surrogateescape")
    place = against if against.startswith("last:") else str(tmp_path / against)
    result = CliRunner().invoke(collect, ["rules", "test", "savers", "--definition", form_file, "--against", place])

    assert result.exit_code in (3, 4) and told in result.stderr and "Next:" in result.stderr


def test_a_form_file_in_another_encoding_is_told_with_its_line(form_file: str) -> None:
    Path(form_file).write_text(FORM.partition("rules:")[0].replace("Savers", "Épargnants"), "latin-1")
    result = CliRunner().invoke(collect, ["rules", "list", "savers", "--definition", form_file])

    assert result.exit_code == 3 and "savers.yaml:2: is not UTF-8" in result.stderr
