"""What is exported reads back as the same form, rules included; what is imported and exported imports again unchanged."""

from pathlib import Path
from typing import Any

import pytest
from defusedxml.ElementTree import fromstring
from hypothesis import HealthCheck, given
from openpyxl import load_workbook

from collect_pipelines.errors import Invalid
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.reading import read_form
from collect_pipelines.forms.writing import write_form
from collect_pipelines.forms.xlsform.exporting import export_form
from collect_pipelines.forms.xlsform.importing import import_form
from tests.drawn import drawn
from tests.unit.xlsform_books import as_csv, read, xls, xlsx
from tests.unit.xlsform_large import CHOICES, SETTINGS, SURVEY
from tests.unit.xlsform_strategies import definitions

ROOT = Path(__file__).resolve().parents[2]
XFORM = "{http://www.w3.org/2002/xforms}"


def plain(form: FormDefinition) -> dict[str, Any]:
    return form.model_dump(mode="json", exclude_defaults=True)


def again(folder: Path, form: FormDefinition) -> FormDefinition:
    path = folder / "again.xlsx"
    path.write_bytes(export_form(form, "xlsform").content)
    return import_form(path).definition


def own_rows(content: bytes, folder: Path) -> list[tuple[Any, ...]]:
    (folder / "own.xlsx").write_bytes(content)
    book = load_workbook(folder / "own.xlsx")
    return list(book["collect"].iter_rows(values_only=True))[1:] if "collect" in book.sheetnames else []


@pytest.mark.parametrize("sample", sorted((ROOT / "samples").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_samples_come_back(tmp_path: Path, sample: Path) -> None:
    form = read_form(sample.read_text("utf-8"))

    back = again(tmp_path, form)

    assert plain(back) == plain(form)
    assert back.content_hash == form.content_hash


@drawn(15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(definitions())
def test_every_definition_comes_back_and_is_an_xform(tmp_path: Path, form: FormDefinition) -> None:
    try:
        exported = export_form(form, "xform")
    except Invalid as exc:
        assert "is asked any more" in exc.message
        return

    fromstring(exported.content, forbid_dtd=True)
    assert plain(again(tmp_path, form)) == plain(form)


def test_a_large_workbook_comes_back_from_every_kind_of_file(tmp_path: Path) -> None:
    sheets = {"survey": SURVEY, "choices": CHOICES, "settings": SETTINGS}
    form = import_form(xlsx(tmp_path, **sheets)).definition

    assert plain(again(tmp_path, form)) == plain(form)
    assert plain(import_form(as_csv(tmp_path, **sheets)).definition) == plain(form)
    assert plain(import_form(as_csv(tmp_path, "utf-16", ";", **sheets)).definition) == plain(form)
    assert plain(import_form(xls(tmp_path, **sheets)).definition) == plain(form)
    assert read_form(write_form(form)) == form


def test_an_import_writes_the_cells_it_read(tmp_path: Path) -> None:
    first = xlsx(tmp_path, survey=SURVEY, choices=CHOICES, settings=SETTINGS)
    (tmp_path / "second.xlsx").write_bytes(export_form(import_form(first).definition, "xlsform").content)

    before, after = ({sheet.title: cells(sheet) for sheet in load_workbook(path)} for path in (first, tmp_path / "second.xlsx"))

    assert after["survey"] == [{name: text for name, text in row.items() if name != "remarks"} for row in before["survey"]]
    assert after["settings"] == before["settings"]
    assert "collect" not in after


def cells(sheet: Any) -> list[dict[str, str]]:
    header, *rows = sheet.iter_rows(values_only=True)
    return [{str(name): str(text) for name, text in zip(header, row, strict=True) if text is not None} for row in rows]


RULES = """
form: shop
title: Shop
rules:
  - {name: savings_within_income, expression: savings<=income, message: "Savings can't be more than income."}
  - {name: adult, expression: "today() - born >= duration(\\"157788h\\")"}
  - {name: careful, expression: income > 3.0, severity: flag}
  - {name: once, unique: [phone]}
  - {name: reason_when_none, expression: "!(items == 0) || answered(reason)"}
  - {name: each_has_a_price, expression: size(basket) == items}
  - {name: no_more, expression: price <= income}
questions:
  - {key: phone, type: phone, region: IN, pii: direct, was: [mobile]}
  - {key: born, type: date, required: true}
  - {key: income, type: decimal, min: 0}
  - {key: savings, type: decimal, relevant: income > 0.0}
  - {key: items, type: integer}
  - {key: reason, type: text, relevant: (items < 1) || !answered(items)}
  - {key: kind, type: select_one, other: true, choices: [{code: a, label: A}, {code: b, label: B, retired: true}]}
  - {key: old, type: text, retired: 2026-01-01}
  - key: basket
    type: repeat
    questions: [{key: price, type: decimal}, {key: fresh, type: boolean}]
"""


def test_rules_go_out_as_xpath_and_come_back_with_their_names(tmp_path: Path) -> None:
    form = read_form(RULES)
    exported = export_form(form, "xlsform")
    (tmp_path / "rules.xlsx").write_bytes(exported.content)
    survey = {row["name"]: row for row in cells(load_workbook(tmp_path / "rules.xlsx")["survey"]) if "name" in row}

    assert {name: row["constraint"] for name, row in survey.items() if "constraint" in row} == {
        "savings": "${income} = '' or . <= ${income}",
        "born": "today() - . >= 6574.5",
        "income": ". >= 0",
        "price": "${income} = '' or . <= ${income}",
    }
    assert survey["savings"]["constraint_message"] == "Savings can't be more than income."
    assert (survey["basket"]["repeat_count"], survey["savings"]["relevant"]) == ("${items}", "${income} > 0")
    assert survey["reason"]["required"] == "${items} = 0"
    assert survey["reason"]["relevant"] == "${items} < 1 or ${items} = ''"
    assert survey["fresh"]["type"] == "select_one collect_boolean"
    assert "old" not in survey
    assert plain(again(tmp_path, form)) == plain(form)
    told = "\n".join(exported.notes)
    assert "rule careful: does not simply send back" in told
    assert "rule once: is judged over many responses" in told
    assert "one question is not asked any more; kept in the sheet collect" in told
    assert "pii (1), region (1), was (1)" in told


def test_messages_of_bounds_and_of_required_come_back(tmp_path: Path) -> None:
    form = read_form(
        """
        form: f
        title: F
        rules: [{name: b_over_a, expression: b > a, message: More than A.}]
        questions:
          - {key: a, type: integer, min: 1, required: true, constraint_message: At least one., required_message: Count them.}
          - {key: b, type: integer, max: 9, constraint_message: At most nine.}
        """
    )
    content = export_form(form, "xlsform").content
    (tmp_path / "said.xlsx").write_bytes(content)
    a, b = cells(load_workbook(tmp_path / "said.xlsx")["survey"])

    assert (a["constraint_message"], a["required_message"]) == ("At least one.", "Count them.")
    assert b["constraint_message"] == "More than A."  # a question has one message in a workbook; ours keeps the other
    assert plain(again(tmp_path, form)) == plain(form)


def test_a_workbook_edited_after_export_counts(tmp_path: Path) -> None:
    (tmp_path / "edited.xlsx").write_bytes(export_form(read_form(RULES), "xlsform").content)
    book = load_workbook(tmp_path / "edited.xlsx")
    page = book["survey"]
    columns = {cell.value: cell.column for cell in page[1]}
    for row in page.iter_rows(min_row=2):
        if row[columns["name"] - 1].value == "savings":
            row[columns["constraint"] - 1].value = ". < ${income}"
    page.append(["integer", "visits", "Visits"])
    book.save(tmp_path / "edited.xlsx")

    form = import_form(tmp_path / "edited.xlsx").definition

    assert (form.rules[0].name, form.rules[0].expression) == ("savings_within_income", "savings < income")
    assert form.by_key["phone"].region == "IN"
    assert form.by_key["visits"].type == "integer"


def test_a_form_edited_after_import_is_exported_as_it_is_now(tmp_path: Path) -> None:
    survey = [
        ["type", "name", "label", "constraint", "relevant"],
        ["integer", "n", "N", ".>=0 and .<=9"],
        ["integer", "m", "M", ".>${n}", "${n}>3"],
    ]
    document = plain(read(tmp_path, survey).definition)
    assert document["questions"][1]["metadata"]["xlsform"] == {"constraint": ".>${n}", "relevant": "${n}>3"}
    document["questions"][0]["max"] = 7
    document["questions"][1]["relevant"] = "n > 4"
    document["rules"] = [rule for rule in document["rules"] if rule["name"] != "m_constraint"]
    form = FormDefinition.model_validate(document)

    content = export_form(form, "xlsform").content
    (tmp_path / "now.xlsx").write_bytes(content)
    _, n, m = [["-"], *(list(row.values()) for row in cells(load_workbook(tmp_path / "now.xlsx")["survey"]))]

    assert n == ["integer", "n", "N", ". >= 0 and . <= 7"]
    assert m == ["integer", "m", "M", "${n} > 4"]
    assert plain(again(tmp_path, form)) == plain(form)


def test_a_changed_rule_of_a_question_with_a_long_key_is_exported_as_it_is_now(tmp_path: Path) -> None:
    name = "k" * 62
    survey = [["type", "name", "label", "constraint"], ["integer", "n", "N"], ["integer", name, "K", ".>${n}"]]
    document = plain(read(tmp_path, survey).definition)
    document["rules"][0]["expression"] = f"{name} > n + 1"
    form = FormDefinition.model_validate(document)
    (tmp_path / "now.xlsx").write_bytes(export_form(form, "xlsform").content)

    assert cells(load_workbook(tmp_path / "now.xlsx")["survey"])[1]["constraint"] == "${n} = '' or . > ${n} + 1"
    assert plain(again(tmp_path, form)) == plain(form)


def test_an_xform_binds_every_question(tmp_path: Path) -> None:
    form = import_form(xlsx(tmp_path, survey=SURVEY, choices=CHOICES, settings=SETTINGS)).definition

    tree = fromstring(export_form(form, "xform").content, forbid_dtd=True)

    binds = {bind.get("nodeset"): bind for bind in tree.iter(f"{XFORM}bind")}
    assert binds["/data/about/age"].get("type") == "int"
    assert binds["/data/about/age"].get("constraint") == ". >= 0 and . <= 120"
    assert binds["/data/about/age"].get("required") == "true()"
    assert binds["/data/about"].get("relevant") == " /data/consent  = 'yes'"
    assert binds["/data/members/member_age"].get("constraint") == ". < ( /data/about/age  + 90)"
    languages = {text.get("lang") for text in tree.iter(f"{XFORM}translation")}
    assert languages == {"English (en)", "hindi", "Kiswahili (sw)"}


def test_a_form_of_which_nothing_is_asked_can_not_be_a_workbook() -> None:
    form = read_form("{form: f, title: F, questions: [{key: a, type: text, retired: 2026-01-01}]}")

    with pytest.raises(Invalid, match="is asked any more"):
        export_form(form, "xlsform")


def test_cells_are_text_whatever_they_start_with(tmp_path: Path) -> None:
    form = read_form('{form: f, title: "=1+1", questions: [{key: a, type: text, label: "=HYPERLINK(\\"http://127.0.0.1\\")"}]}')
    content = export_form(form, "xlsform").content
    (tmp_path / "text.xlsx").write_bytes(content)

    kinds = {cell.data_type for sheet in load_workbook(tmp_path / "text.xlsx") for row in sheet.iter_rows() for cell in row if cell.value}

    assert kinds == {"s"}
    assert own_rows(content, tmp_path) == []
