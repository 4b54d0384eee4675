"""Table names are plain, fixed and never shared; dlt leaves them as they are."""

import subprocess
import sys

import pytest
from dlt.common.normalizers.naming.snake_case import NamingConvention
from hypothesis import example, given
from hypothesis import strategies as st

from collect_pipelines.destinations.warehouse.naming import FORMS_PER_SHARD, column_name, history_name, shard_name, table_name

REFERENCES = st.text(min_size=1, max_size=80) | st.from_regex(r"[a-z_]{1,8}(__|\.|-)?[a-z0-9_]{1,8}", fullmatch=True)


@pytest.mark.parametrize(
    ("form", "table"),
    [
        ("household", "household"),
        ("household_2030", "household_2030"),
        ("north.household", "north_household__f_cfzi6n"),
        ("Household", "household__f_uhdms7"),
        ("घर", "form__f_kgtn4b"),
        ("2030", "form_2030__f_ryprsl"),
        ("_questions", "questions__f_ngmp2q"),
    ],
)
def test_these_names_are_fixed_for_ever(form: str, table: str) -> None:
    assert table_name(form) == table


@given(REFERENCES)
def test_every_name_is_short_ascii_and_survives_dlt(form: str) -> None:
    name = table_name(form)

    assert len(name) <= 60
    assert name.isascii()
    assert NamingConvention().normalize_tables_path(name) == name


@given(st.lists(REFERENCES, min_size=2, max_size=30, unique=True))
def test_different_forms_never_share_a_table(forms: list[str]) -> None:
    assert len({table_name(form) for form in forms}) == len(forms)


def test_thirty_forms_share_a_shard() -> None:
    shards = [shard_name(number) for number in range(1, 2001)]

    assert shards[:30] == ["shard_000"] * 30
    assert shards[30] == "shard_001"
    assert max(shards.count(name) for name in set(shards)) == FORMS_PER_SHARD
    assert NamingConvention().normalize_identifier("shard_007") == "shard_007"


@given(st.text(min_size=1, max_size=80) | st.from_regex(r"q_[a-z0-9_]{50,60}_(last4|hash|year)", fullmatch=True))
@example("q_phone_abcdef_last4")
@example("select")
@example('"; drop table forms; --')
@example("नाम")
@example("🙂")
@example("2030_harvest")
@example("x" * 65)
def test_every_column_name_is_short_ascii_and_survives_dlt(name: str) -> None:
    found = column_name(name)

    assert len(found) <= 60
    assert found.isascii()
    assert NamingConvention().normalize_path(found) == found


@given(st.lists(st.text(min_size=1, max_size=80), min_size=2, max_size=30, unique=True))
@example(["q_" + "a" * 60 + tail for tail in ("_hash", "_last4", "_year", "")])
@example(["नाम", "घर", "🙂", "🙃", "name", "Name", "NAME"])
def test_different_columns_never_share_a_name(names: list[str]) -> None:
    assert len({column_name(name) for name in names}) == len(names)


@given(st.from_regex(r"[a-z][a-z0-9]{0,8}(_[a-z0-9]{1,8}){0,5}", fullmatch=True))
def test_names_of_questions_stay_as_they_are(name: str) -> None:
    assert column_name(name) == name


@given(REFERENCES)
def test_the_table_of_all_revisions_is_another_one(form: str) -> None:
    assert len(history_name(form)) <= 63
    assert NamingConvention().normalize_tables_path(history_name(form)) == history_name(form)
    assert history_name(form) != table_name(form)


def test_finding_the_plug_in_loads_nothing_heavy() -> None:
    program = (
        "import sys\nfrom collect_pipelines.destinations.warehouse import Warehouse\n"
        "print({'dlt', 'duckdb', 'polars', 'pyarrow', 'sqlalchemy'} & set(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert loaded == "set()\n"
