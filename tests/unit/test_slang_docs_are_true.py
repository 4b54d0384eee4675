"""docs/slang.md says what the code does: its lexicon, form, fault and find are real, and every setting and format is on the page."""

import json
import re
from pathlib import Path

import pytest

from collect_pipelines.checks.interface import Draft
from collect_pipelines.checks.slang.check import MAX_CHARACTERS, MAX_FINDINGS, SlangCheck, SlangConfig
from collect_pipelines.checks.slang.lexicon import COLUMNS, read_lexicon
from collect_pipelines.checks.slang.public_lists import FORMATS
from collect_pipelines.checks.slang.romanised import ROMANISED_LANGUAGES
from collect_pipelines.errors import ReferenceInvalid
from collect_pipelines.forms.reading import read_form

PAGE = (Path(__file__).parents[2] / "docs" / "slang.md").read_text("utf-8")


def block(language: str) -> str:
    """The first block of the page in this language."""
    found = re.search(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def test_the_example_of_a_find_is_what_the_form_and_lexicon_of_the_page_give() -> None:
    form = read_form(block("yaml"))
    check = SlangCheck(SlangConfig.model_validate(form.checks["slang"].config))
    check.prepare(form, {"slang": [term.as_row() for term in read_lexicon(block("csv").encode(), "page.csv")]})
    (finding,) = check.check(Draft("r", {"city": "pune", "heard": "Ekdam Jhakaas, machi!"}), form)

    assert finding.as_json() == json.loads(block("json"))


def test_the_fault_on_the_page_is_told_in_these_words() -> None:
    with pytest.raises(ReferenceInvalid) as caught:
        read_lexicon(b"term,language,severity,source,licence\na,hi,,s,l\nb,hi,bad,s,l\n", "words.csv")

    (problem,) = caught.value.problems
    assert f"Error: {caught.value.message}\n  {problem}\n" in block("text")
    assert f"Next:  {caught.value.fix}\n" in block("text")


def test_every_column_setting_format_and_language_is_on_the_page() -> None:
    names = {*COLUMNS, *SlangConfig.model_fields, *FORMATS}

    assert {name for name in names if f"`{name}`" not in PAGE and f"`{name}:" not in PAGE} == set()
    assert re.search(rf"For {', '.join(sorted(ROMANISED_LANGUAGES)[:-1])} and {max(ROMANISED_LANGUAGES)} a term", PAGE.replace("\n  ", " "))
    assert f"at most {MAX_FINDINGS} findings" in PAGE
    assert f"first {MAX_CHARACTERS:,} characters" in PAGE
