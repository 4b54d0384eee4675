"""Whatever stands in a form file, reading it gives a definition or FormInvalid, soon."""

import random
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collect_pipelines.errors import FormInvalid
from collect_pipelines.forms.reading import read_form
from tests.drawn import drawn

HEAD = "form: visit\ntitle: Visit\nquestions:\n"
GOOD = f"{HEAD}  - {{key: a, type: select_one, label: A, choices: [{{code: x, label: X}}]}}\n"

BOMB = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))

HOSTILE: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty"),
    "blank": (" \n\n", "is empty"),
    "only a comment": ("# nothing\n", "is empty"),
    "a list at the top": ("- a\n- b\n", "must be a mapping"),
    "a word at the top": ("household\n", "must be a mapping"),
    "null": ("null\n", "must be a mapping"),
    "alias bomb": (BOMB, "aliases counted"),
    "a chain of aliases": ("a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 440)), "nested deeper"),
    "alias of itself": ("&a [*a]\n", "contains itself"),
    "alias of nothing": ("a: *b\n", "refers to nothing"),
    "merge key": ("base: &b {x: 1}\nform:\n  <<: *b\n", "merge keys"),
    "100,000 open brackets": ("[" * 100_000, "nested deeper"),
    "100,000 open braces": ("{a: " * 100_000, "nested deeper"),
    "100,000 nested dashes": ("- " * 100_000, "nested deeper"),
    "100,000 question marks": ("? " * 100_000, "nested deeper"),
    "2 MB": ("a: " + "x" * 2_000_000, "larger than 1024 KiB"),
    "1 MB in characters, 3 MB in bytes": ("a: " + "घ" * 1_000_000, "larger than 1024 KiB"),
    "200,000 values": ("[" + "a," * 200_000 + "]", "more than 100,000 values"),
    "tab": ("form: a\n\ttitle: b\n", "a tab stands where"),
    "duplicate key": ("form: a\nform: b\n", "`form` is written twice (first in line 1)"),
    "duplicate key below": (f"{HEAD}  - key: a\n    key: b\n", "written twice"),
    "not UTF-8": (b"form: a\ntitle: \xff\xfe\n", "visit.yaml:2: is not UTF-8"),
    "UTF-16": ("form: a\n".encode("utf-16"), "is not UTF-8"),
    "NUL": ("form: a\x00b\n", "is not YAML"),
    "escaped NUL": ('form: "a\\0b"\n', "can't be stored"),
    "half a surrogate": ('form: "\\ud800"\n', "can't be stored"),
    "a surrogate in a str": ("form: \ud800\n", "is not YAML"),
    "escape out of range": ('form: "\\UFFFFFFFF"\n', "is not YAML"),
    "python object": ("!!python/object/apply:os.system ['true']\n", "type tag"),
    "own tag": ("form: !x a\n", "type tag"),
    "undefined tag handle": ("form: !a!b c\n", "is not YAML"),
    "two documents": ("form: a\n---\nform: b\n", "a second document"),
    "a number as key": ("1: a\n", "a key must be text"),
    "a list as key": ("? [a]\n: b\n", "can't be a key"),
    "null as key": ("~: a\n", "a key must be text"),
    "integer past 64 bit": (f"form: {2**63}\n", "64 bits"),
    "infinite number": ("form: 1e999\n", "too large"),
    "unclosed quote": ("form: 'a\n", "is not YAML"),
    "unclosed bracket": ("form: [a\n", "is not YAML"),
    "directive of the future": ("%YAML 9.9\n---\nform: a\n", "is not YAML"),
    "many directives": ("%TAG ! x\n" * 3, "is not YAML"),
    "a key of 500 KB": ("k" * 500_000 + ": 1\n", "is not YAML"),
    "deep metadata": (GOOD + "metadata: " + "{a: " * 30 + "1" + "}" * 30 + "\n", "metadata: is nested deeper"),
    "key of metadata too long": (GOOD + f"metadata: {{{'k' * 300}: 1}}\n", "200 characters"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_form_invalid_with_a_line(name: str) -> None:
    text, told = HOSTILE[name]

    with pytest.raises(FormInvalid) as caught:
        read_form(text, "visit.yaml")

    assert told in caught.value.problems[0]
    assert all(problem.startswith("visit.yaml:") for problem in caught.value.problems)
    assert len(caught.value.message) < 1_000


def test_a_file_at_the_limit_is_read_within_seconds() -> None:
    questions = "".join(
        f"  - {{key: question_{i}, type: text, label: {{en: '{'long ' * 20}', hi: '{'घर ' * 20}'}}}}\n" for i in range(1000)
    )
    started = time.process_time()

    form = read_form(f"form: big\ntitle: Big\nlanguages: [en, hi]\nquestions:\n{questions}")

    assert len(form.questions) == 1000
    assert time.process_time() - started < 10


def test_aliases_may_share_a_list_of_choices() -> None:
    form = read_form(
        f"{HEAD}  - {{key: a, type: select_one, choices: &c [{{code: x, label: X}}]}}\n  - {{key: b, type: select_one, choices: *c}}\n"
    )

    assert form.questions[0].choices == form.questions[1].choices


@pytest.mark.parametrize(
    "word", ["no", "yes", "on", "off", "012", "1_000", "0x1F", "2026-01-31", "1:30", ".inf", ".nan", "=", "<", "1e", "e5", "+", "."]
)
def test_words_that_old_yaml_read_as_something_else_are_text(word: str) -> None:
    form = read_form(f"{HEAD}  - {{key: a, type: select_one, choices: [{{code: {word}, label: {word}}}]}}\n")

    assert (form.questions[0].choices[0].code, form.questions[0].choices[0].label) == (word, {"en": word})


def test_json_is_read_as_well() -> None:
    assert read_form(b'\xef\xbb\xbf{"form": "v", "title": "V", "questions": [{"key": "a", "type": "text"}]}').form == "v"


def test_a_form_file_with_parts_cut_swapped_or_doubled_never_raises_anything_else() -> None:
    dice = random.Random(20)
    pieces = list(GOOD + "languages: [en, hi]\nunique_by: a\nchecks: {phone: {}}\nmetadata: {x: &y [1, 2.5], z: *y}\n")
    for _ in range(400):
        text = pieces.copy()
        for _ in range(dice.randint(1, 6)):
            at = dice.randrange(len(text))
            text[at : at + dice.randint(0, 3)] = dice.choices(
                [*pieces, "\t", "\x00", "&a", "*a", "!", "- ", ": ", "\n", "[", "}", '"', "\ud800"], k=2
            )
        with suppress(FormInvalid):
            read_form("".join(text))


@drawn(20)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["form", "title", "questions", "key", "type", "label", "choices", "min", "languages", "checks", "unique_by", "x"]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    )
)
def test_any_shape_of_data_is_a_form_or_form_invalid(data: object) -> None:
    import json

    with suppress(FormInvalid):
        read_form(json.dumps(data))
