"""`today()` is the day it is for the people who answer, alike for one response and over a frame."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collect_pipelines.errors import FormInvalid, RuleInvalid
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.reading import read_form, write_form
from collect_pipelines.forms.xlsform.exporting import export_form
from collect_pipelines.forms.xlsform.importing import import_form
from collect_pipelines.rules.evaluate import compiled
from collect_pipelines.rules.language import check
from collect_pipelines.rules.nodes import unparse
from collect_pipelines.rules.vectorized import expression

ZONES = ("UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Africa/Nairobi")
MOMENT = pl.Datetime("us", "UTC")
FORM = """
form: visit
title: Visit
timezone: Asia/Kolkata
rules:
  - {name: not_in_the_future, expression: visited_on <= today()}
questions:
  - {key: visited_on, type: date, label: Day of the visit}
"""


@given(
    now=st.integers(631_152_000, 4_102_444_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    zone=st.sampled_from(ZONES),
    hours=st.integers(-40, 40),
)
def test_a_day_is_judged_alike_for_one_response_and_over_a_frame(now: datetime, zone: str, hours: int) -> None:
    there = now.astimezone(ZoneInfo(zone))
    day = datetime.fromtimestamp(now.timestamp() + hours * 3600, ZoneInfo(zone)).date()
    visit = datetime(day.year, day.month, day.day, tzinfo=UTC)
    root = check("visit <= today()", {"visit": "date"}, zone).root
    frame = pl.DataFrame({"visit": [day], "now": [now]}, schema={"visit": pl.Date(), "now": MOMENT})
    (judged,) = frame.select(expression(root, pl.col, pl.col("now")).alias("it"))["it"]

    assert judged is (day <= there.date())
    assert compiled(root)({"visit": visit}, now) == ("kept" if judged else "broken")


def test_a_rule_may_name_its_zone_and_is_written_with_it() -> None:
    text = 'visit <= today("Asia/Kolkata")'

    assert unparse(check("visit <= today()", {"visit": "date"}, "Asia/Kolkata").root) == text
    assert unparse(check(text, {"visit": "date"}).root) == text


@pytest.mark.parametrize("argument", ['"Asia/Pune"', '""', '"../../etc/passwd"', '"Asia"', "name"])
def test_what_is_no_zone_is_refused_at_its_place(argument: str) -> None:
    with pytest.raises(RuleInvalid) as refused:
        check(f"visit <= today({argument})", {"visit": "date", "name": "text"})
    (problem,) = refused.value.problems

    assert (problem.column, "Asia/Kolkata" in problem.fix) == (16, True)


def test_the_zone_of_the_form_is_whose_day_it_is() -> None:
    (rule,) = read_form(FORM).checked.rules
    assert rule.root is not None
    morning_in_india = datetime(2026, 1, 30, 20, 0, tzinfo=UTC)

    assert compiled(rule.root)({"visited_on": datetime(2026, 1, 31, tzinfo=UTC)}, morning_in_india) == "kept"
    assert compiled(rule.root)({"visited_on": datetime(2026, 2, 1, tzinfo=UTC)}, morning_in_india) == "broken"


def test_a_form_with_a_zone_comes_back_from_a_file_and_a_workbook(tmp_path_factory: pytest.TempPathFactory) -> None:
    form = read_form(FORM)
    book = tmp_path_factory.mktemp("book") / "visit.xlsx"
    book.write_bytes(export_form(form, "xlsform").content)

    assert read_form(write_form(form)) == form
    assert import_form(book).definition == form


def test_a_form_without_a_zone_has_the_content_hash_it_had() -> None:
    plain = FormDefinition.model_validate({"form": "a", "title": "A", "questions": [{"key": "x", "type": "text", "label": "X"}]})

    assert plain.content_hash == plain.model_copy(update={"timezone": "UTC"}).content_hash
    assert plain.content_hash != plain.model_copy(update={"timezone": "Asia/Kolkata"}).content_hash


def test_a_zone_that_does_not_exist_is_refused_with_its_line() -> None:
    with pytest.raises(FormInvalid) as refused:
        read_form(FORM.replace("Asia/Kolkata", "Asia/Pune"), "visit.yaml")

    assert "visit.yaml:4: timezone: is no time zone" in refused.value.problems[0]
