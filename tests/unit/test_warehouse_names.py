"""Table names are plain, fixed and never shared; dlt leaves them as they are."""

import subprocess
import sys

import pytest
from dlt.common.normalizers.naming.snake_case import NamingConvention
from hypothesis import given
from hypothesis import strategies as st

from collect_pipelines.destinations.warehouse.naming import SHARDS, shard_name, table_name

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


def test_forms_spread_over_the_shards() -> None:
    shards = {shard_name(f"form_{number}") for number in range(2000)}

    assert len(shards) == SHARDS
    assert NamingConvention().normalize_identifier("forms_07") == "forms_07"


def test_finding_the_plug_in_loads_nothing_heavy() -> None:
    program = (
        "import sys\nfrom collect_pipelines.destinations.warehouse import Warehouse\n"
        "print({'dlt', 'duckdb', 'polars', 'pyarrow', 'sqlalchemy'} & set(sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert loaded == "set()\n"
