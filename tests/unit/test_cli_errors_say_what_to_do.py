"""Every failure of a command ends in an exit code with one meaning, and in words instead of a traceback."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from collect_pipelines import errors
from collect_pipelines.cli.failures import EXIT_CODES, exit_code
from collect_pipelines.cli.root import collect


def run(*arguments: str, environment: dict[str, str] | None = None) -> Any:
    return CliRunner().invoke(collect, arguments, env=environment or {})


def all_errors(kind: type[errors.CollectError]) -> list[type[errors.CollectError]]:
    return [kind, *(found for child in kind.__subclasses__() if child.__module__ == errors.__name__ for found in all_errors(child))]


@pytest.mark.parametrize("kind", all_errors(errors.CollectError), ids=lambda kind: kind.__name__)
def test_every_error_of_the_product_has_a_documented_exit_code(kind: type[errors.CollectError]) -> None:
    assert kind.exit_code in EXIT_CODES


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.FormInvalid("bad"), 3),
        (errors.NotFound("none"), 4),
        (errors.TryLater("later"), 6),
        (errors.Blocked("blocked", fix="repair"), 7),
        (errors.PortTaken("taken"), 7),
        (click.UsageError("wrong"), 2),
        (TimeoutError("late"), 8),
        (KeyboardInterrupt(), 130),
        (PermissionError(13, "Permission denied", "a-file"), 7),
        (OSError("bug"), 1),
        (RuntimeError("bug"), 1),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else type(value).__name__,
)
def test_one_function_decides_the_exit_code(error: BaseException, code: int) -> None:
    assert exit_code(error) == code


def test_an_error_says_what_is_wrong_and_what_to_do_next_on_standard_error(tmp_path: Path) -> None:
    told = run("--data-dir", str(tmp_path), "status", environment={"COLLECT_DATABASE_URL": ""})

    assert told.exit_code == 7
    assert told.stdout == ""
    assert told.stderr.startswith("Error: There is no database yet")
    assert "Next:  Run `collect up`" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_file_that_can_not_be_written_or_read_is_named(tmp_path: Path) -> None:
    export, form = tmp_path / "export.csv", tmp_path / "form.yaml"
    export.write_text("a,b\n1,2\n")
    form.write_bytes("form: x\ntitle: é\n".encode("latin-1"))

    nowhere = run("forms", "infer", str(export), "-o", str(tmp_path / "no folder" / "form.yaml"))
    unreadable = run("forms", "publish", str(form))

    assert (nowhere.exit_code, unreadable.exit_code) == (7, 3)
    assert nowhere.stderr.startswith(f"Error: {tmp_path}/no folder/form.yaml: No such file or directory\nNext:  ")
    assert unreadable.stderr == f"Error: {form}: not UTF-8.\nNext:  Save the form file as UTF-8.\n"


def test_a_form_file_with_faults_names_every_line(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("form: bad\ntitle: Bad\nquestions:\n  - {key: a, type: number}\n  - {key: a, type: text}\n")
    told = run("forms", "check", str(file))

    assert told.exit_code == 3
    assert f"{file}:4" in told.stderr


def test_a_form_file_that_is_not_text_is_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_bytes(b"\xff\xfe\x00")
    told = run("forms", "check", str(file))

    assert told.exit_code == 3
    assert "not UTF-8" in told.stderr


def test_a_mistyped_command_is_guessed() -> None:
    told = run("stats")

    assert told.exit_code == 2
    assert "Did you mean" in told.stderr and "status" in told.stderr


def test_a_setting_that_is_not_valid_is_named() -> None:
    told = run("status", environment={"COLLECT_INGEST_PORT": "eighty"})

    assert told.exit_code == 3
    assert "COLLECT_INGEST_PORT" in told.stderr


def test_a_fault_of_ours_keeps_its_traceback_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr("collect_pipelines.cli.doctor.diagnose", broken)
    told = run("doctor")

    assert told.exit_code == 1
    assert "This is a fault of collect" in told.stderr


def test_an_unknown_kind_of_destination_lists_what_is_installed() -> None:
    from collect_pipelines.cli.integrations import read_config

    with pytest.raises(errors.PluginError) as caught:
        read_config("carrier_pigeon", (), None)

    assert "warehouse" in str(caught.value.fix)


def test_a_wrong_field_of_a_configuration_is_named_with_the_fields_there_are() -> None:
    from collect_pipelines.cli.integrations import read_config

    with pytest.raises(errors.ConfigInvalid) as caught:
        read_config("warehouse", ("datset=forms",), None)

    assert "datset" in caught.value.message
    assert "dataset" in str(caught.value.fix)


def test_configuration_values_keep_their_types() -> None:
    from collect_pipelines.cli.integrations import read_config

    assert read_config("warehouse", ("read_copy=false", "dataset=surveys"), '{"path": "x.duckdb"}') == {
        "read_copy": False,
        "dataset": "surveys",
        "path": "x.duckdb",
    }


def test_without_a_key_the_way_to_one_is_told(tmp_path: Path) -> None:
    told = run("--data-dir", str(tmp_path), "responses", "submit", "household", environment={"COLLECT_API_KEY": ""})

    assert told.exit_code in (3, 4)


def test_no_database_library_is_needed_to_be_told_that_there_is_no_database(tmp_path: Path) -> None:
    told = run("--data-dir", str(tmp_path / "none"), "trace", "abc", environment={"COLLECT_DATABASE_URL": ""})

    assert told.exit_code == 7
    assert not (tmp_path / "none").exists()


def test_who_only_ran_the_demo_is_told_the_folder_of_its_data(tmp_path: Path) -> None:
    (tmp_path / "demo" / "postgres").mkdir(parents=True)
    told = run("--data-dir", str(tmp_path), "status", environment={"COLLECT_DATABASE_URL": ""})

    assert told.exit_code == 7
    assert f"collect --data-dir {tmp_path / 'demo'}" in told.stderr
