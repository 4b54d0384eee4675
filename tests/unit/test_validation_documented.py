"""What docs/rules.md says about rules over many responses is what the product does."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from collect_pipelines.cli.root import COMMANDS
from collect_pipelines.forms.definition import FormDefinition, FormRule
from collect_pipelines.sync import many, validate
from collect_pipelines.validation import gate
from collect_pipelines.validation.batch_rules import MAX_JOINED

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text("utf-8").partition("## Where a rule is judged")[2]


def rules() -> list[dict[str, Any]]:
    (block,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    return list(YAML(typ="safe").load(block)["rules"])


def test_the_rules_of_the_page_are_valid() -> None:
    questions = [
        {"key": "phone", "type": "phone"},
        {"key": "income", "type": "integer"},
        {"key": "crop", "type": "select_one", "choices": [{"code": "w", "label": "Wheat"}]},
    ]
    form = FormDefinition.model_validate({"form": "f", "title": "F", "questions": questions, "rules": rules()})

    assert [rule.kind for rule in form.rules] == ["unique", "complete", "volume", "distribution"]
    assert {rule.placement for rule in form.rules} == {"batch"}


@pytest.mark.parametrize("field", ["at_least", "tolerance", "last", "min_rows"])
def test_defaults_are_those_of_the_page(field: str) -> None:
    assert f"`{field}` ({FormRule.model_fields[field].default})" in PAGE


def test_numbers_are_those_of_the_page() -> None:
    for number in (many.STEP_ROWS, validate.MAX_ROWS, MAX_JOINED):
        assert f"{number:,}" in PAGE
    assert f"fewer than {gate.FEW_ROWS} rows" in " ".join(PAGE.split())


def test_every_option_of_the_commands_is_told() -> None:
    group: Any = COMMANDS["rules"].load()
    options = {name for command in group.commands.values() for option in command.params for name in option.opts if name.startswith("--")}

    assert sorted(name for name in options - {"--json"} if name not in PAGE) == []
    assert all(f"`{name}" in PAGE or f"rules {name}" in PAGE for name in group.commands)
