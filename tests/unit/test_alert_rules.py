"""Alerts and dashboard speak of metrics that exist: a renamed metric would silence an alert without anybody noticing."""

import ast
import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import collect_pipelines

REPOSITORY = Path(__file__).parents[2]
ALERTS = REPOSITORY / "deploy" / "prometheus" / "alerts.yml"
ALERTS_TEST = REPOSITORY / "deploy" / "prometheus" / "alerts_test.yml"
DASHBOARD = REPOSITORY / "deploy" / "grafana" / "collect.json"
TELEMETRY = Path(collect_pipelines.__file__).parent / "telemetry"

NAME = re.compile(r"\bcollect_[a-z0-9_]+\b")


def declared() -> set[str]:
    """Every metric name that stands as a string of its own in the telemetry room."""
    texts = (
        node.value
        for file in TELEMETRY.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return {text for text in texts if NAME.fullmatch(text)}


def exists(name: str, names: set[str]) -> bool:
    """True for a declared metric, a counter declared without its ending, and the series of a histogram."""
    return bool({name, name.removesuffix("_total"), re.sub(r"_(bucket|sum|count)$", "", name)} & names)


def read(file: Path) -> dict[str, Any]:
    return dict(YAML(typ="safe").load(file.read_text()))


def rules() -> list[dict[str, Any]]:
    return [rule for group in read(ALERTS)["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    return dict(json.loads(DASHBOARD.read_text()))


@pytest.mark.parametrize("file", [ALERTS, ALERTS_TEST, DASHBOARD], ids=lambda file: file.name)
def test_every_metric_named_exists(file: Path) -> None:
    named, names = set(NAME.findall(file.read_text())), declared()

    assert named
    assert sorted(name for name in named if not exists(name, names)) == []


def test_the_lateness_of_responses_is_an_alert() -> None:
    critical = {rule["alert"]: rule["expr"] for rule in rules() if rule["labels"]["severity"] == "critical"}

    assert "collect_oldest_undelivered_age_seconds" in critical["CollectResponsesLate"]


def test_every_alert_says_what_happened_and_what_to_do() -> None:
    incomplete = [rule["alert"] for rule in rules() if set(rule["annotations"]) != {"summary", "description", "action"}]

    assert incomplete == []


def test_every_alert_has_a_rule_test_that_fires_it() -> None:
    cases = [case for test in read(ALERTS_TEST)["tests"] for case in test["alert_rule_test"]]
    fired = {case["alertname"] for case in cases if case["exp_alerts"]}

    assert fired == {rule["alert"] for rule in rules()}


def test_every_panel_of_the_dashboard_asks_something_and_explains_it() -> None:
    panels = [panel for panel in dashboard()["panels"] if panel["type"] != "row"]

    assert [panel["title"] for panel in panels if not panel["description"] or not panel["targets"]] == []
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])


def test_promtool_understands_what_every_panel_asks(tmp_path: Path) -> None:
    asked = [target["expr"] for panel in dashboard()["panels"] for target in panel.get("targets", [])]
    rules = [{"record": f"panel:{number}", "expr": expr.replace("$__rate_interval", "1m")} for number, expr in enumerate(asked)]
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    told = subprocess.run(["promtool", "check", "rules", "panels.yml"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert told.returncode == 0, told.stdout + told.stderr


def test_no_panel_hides_another_one() -> None:
    places = [panel["gridPos"] for panel in dashboard()["panels"]]
    cells = [(x, y) for it in places for x in range(it["x"], it["x"] + it["w"]) for y in range(it["y"], it["y"] + it["h"])]

    assert max(x for x, _ in cells) < 24
    assert len(cells) == len(set(cells))


def test_promtool_accepts_the_rules_and_they_fire_when_they_should() -> None:
    for arguments in (["check", "rules", ALERTS.name], ["test", "rules", ALERTS_TEST.name]):
        told = subprocess.run(["promtool", *arguments], cwd=ALERTS.parent, capture_output=True, text=True, check=False)

        assert told.returncode == 0, told.stdout + told.stderr
