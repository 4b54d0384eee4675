"""A name that could not be shown, sorted or typed again is refused where it is given, whoever gives it."""

import pytest

from collect_pipelines.errors import Invalid
from collect_pipelines.store.database import Database
from collect_pipelines.store.forms import publish_form
from collect_pipelines.store.integrations import add_integration
from collect_pipelines.store.keys import create_key
from collect_pipelines.store.names import name_fault
from collect_pipelines.store.organizations import ensure_organization
from tests.integration.store_tools import definition


@pytest.mark.parametrize("name", ["", " before", "behind ", "two\nlines", "two\u2028lines", "a\ttab", "bell\x07", "nul\x00", "x" * 201])
def test_a_name_that_is_not_one_line_is_refused(database: Database, name: str) -> None:
    with database.begin() as connection:
        form_id = publish_form(connection, "default", definition("household")).form_id
        with pytest.raises(Invalid, match="The name of the integration"):
            add_integration(connection, form_id, name, "file", {})
        with pytest.raises(Invalid, match="The name of the key"):
            create_key(connection, "default", name, frozenset({"read"}))


@pytest.mark.parametrize("name", ["x", "a: b #1 \"q\" 'r'", "घर की गणना", "क्\u200dष", "\U0001f468\u200d\U0001f33e", "- null"])
def test_any_other_name_will_do(name: str) -> None:
    assert name_fault(name) is None


@pytest.mark.parametrize("slug", ["", "No Such!", "a.b", "../north", "n" * 64])
def test_a_slug_that_could_not_stand_before_a_form_is_refused(database: Database, slug: str) -> None:
    with database.begin() as connection, pytest.raises(Invalid, match="names no organization"):
        ensure_organization(connection, slug)
