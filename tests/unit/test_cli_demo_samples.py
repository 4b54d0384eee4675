"""The sample forms and responses of the demo are what the product itself calls valid."""

import itertools
from pathlib import Path

import pytest

from collect_pipelines.cli.demo import demo_settings
from collect_pipelines.forms.answers import check_answers
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.forms.reading import read_form
from collect_pipelines.local.application import find_application
from collect_pipelines.local.demo_responses import sample_responses
from collect_pipelines.local.demo_setup import sample_files
from collect_pipelines.settings import Settings

FILES = sample_files(find_application())


def definition(file: Path) -> FormDefinition:
    return read_form(file.read_text("utf-8"), file.name)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_sample_response_is_valid(file: Path) -> None:
    form = definition(file)
    rejected = [
        (response["answers"], finding)
        for response in itertools.islice(sample_responses(form, seed=7), 200)
        for finding in check_answers(form, response["answers"])
        if finding.severity == "reject"
    ]

    assert rejected == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_question_of_a_sample_form_is_answered_at_times(file: Path) -> None:
    form = definition(file)
    answered = {key for response in itertools.islice(sample_responses(form, seed=7), 50) for key in response["answers"]}

    assert answered == set(form.by_key)


def test_the_same_seed_gives_the_same_ids() -> None:
    form = definition(FILES[0])
    first, again = ([response["id"] for response in itertools.islice(sample_responses(form, seed), 5)] for seed in (3, 3))

    assert first == again and len(set(first)) == 5


def test_samples_speak_several_languages() -> None:
    languages = {language for file in FILES for language in definition(file).languages}

    assert {"en", "hi", "sw", "fr"} <= languages


def test_the_demo_has_a_folder_of_its_own_unless_one_is_named(tmp_path: Path) -> None:
    assert demo_settings(Settings(), None).data_dir == Path(".collect/demo")
    assert demo_settings(Settings(data_dir=tmp_path), None).data_dir == tmp_path
    assert demo_settings(Settings(data_dir=tmp_path), tmp_path).data_dir == tmp_path
