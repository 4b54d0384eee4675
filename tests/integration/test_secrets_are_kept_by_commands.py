"""`collect secrets`: values come by standard input, and no command ever shows one."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from collect_pipelines.cli.doctor_secrets import secret_diagnoses
from collect_pipelines.cli.root import collect
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import add_integration
from collect_pipelines.store.organizations import organization_id_of
from collect_pipelines.store.secrets import read_secret
from collect_pipelines.store.vault import Vault
from tests.integration.store_tools import publish

CANARY = "whsec_canary_2f8a"


class Installation:
    """The command line on one database and data folder; notes everything that was ever printed."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.settings = Settings(data_dir=folder)
        self.environment = {"COLLECT_DATA_DIR": str(folder), "COLLECT_DATABASE_URL": database_url}
        self.printed = ""

    def __call__(self, *words: str, input: str | bytes | None = None, code: int = 0) -> str:
        told = CliRunner().invoke(collect, words, input=input, env=self.environment)
        self.printed += told.stdout + told.stderr
        assert told.exit_code == code, f"{told.stdout}\n{told.stderr}"
        return told.stdout + told.stderr

    def json(self, *words: str, input: str | None = None) -> Any:
        told = CliRunner().invoke(collect, [*words, "--json"], input=input, env=self.environment)
        self.printed += told.stdout + told.stderr
        assert told.exit_code == 0, told.stderr
        return json.loads(told.stdout)


@pytest.fixture
def installation(tmp_path: Path, database_url: str) -> Installation:
    return Installation(tmp_path / "data", database_url)


def value(database: Database, installation: Installation, name: str, organization: str = "default") -> str:
    with database.begin() as connection:
        vault = Vault.from_settings(installation.settings)
        return read_secret(connection, vault, organization_id_of(connection, organization), name)


def test_a_secret_is_stored_listed_rotated_and_removed_without_being_shown(database: Database, installation: Installation) -> None:
    assert "stored:gateway" in installation("secrets", "set", "gateway", input=f"{CANARY}\n")
    assert value(database, installation, "gateway") == CANARY
    assert stat.S_IMODE(installation.settings.secrets_path.stat().st_mode) == 0o600

    (listed,) = installation.json("secrets", "list")["secrets"]
    assert (listed["name"], listed["organization"], listed["opens"], listed["used_by"]) == ("gateway", "default", True, [])

    told = installation.json("secrets", "rotate")
    assert told["sealed"] == 1
    assert told["key_id"] != listed["key_id"]
    assert value(database, installation, "gateway") == CANARY

    installation("secrets", "remove", "gateway")
    installation("secrets", "remove", "gateway", code=4)
    assert "No secret is stored" in installation("secrets", "list")
    assert CANARY not in installation.printed


def test_a_value_is_never_taken_from_the_command_line(installation: Installation) -> None:
    told = installation("secrets", "set", "gateway", "canary", "more", code=3)

    assert "not given on the command line" in told
    assert "canary" not in told


def test_line_ends_of_echo_are_no_part_of_a_secret_but_lines_within_are(database: Database, installation: Installation) -> None:
    installation("secrets", "set", "pem", input="-----BEGIN\nabc\n-----END\r\n")

    assert value(database, installation, "pem") == "-----BEGIN\nabc\n-----END"


@pytest.mark.parametrize("given", [b"", b"\n", b"\xff\xfe", b"x" * 70_000, b"x" * 400_000])
def test_what_can_be_no_secret_is_refused(installation: Installation, given: bytes) -> None:
    told = installation("secrets", "set", "gateway", input=given, code=3)

    assert "xxxx" not in told


def test_organizations_keep_their_own(database: Database, installation: Installation) -> None:
    installation("secrets", "set", "gateway", "--organization", "north", input="n")
    installation("secrets", "set", "gateway", "--organization", "south", input="s")

    assert value(database, installation, "gateway", "north") == "n"
    assert value(database, installation, "gateway", "south") == "s"
    assert [one["organization"] for one in installation.json("secrets", "list", "--organization", "south")["secrets"]] == ["south"]


def test_a_secret_in_use_is_not_removed_by_accident(database: Database, installation: Installation) -> None:
    installation("secrets", "set", "gateway", input=CANARY)
    (form_id,) = publish(database, "household")
    with database.begin() as connection:
        add_integration(connection, form_id, "hook", "webhook", {"key": "stored:gateway"})

    assert "gateway is used by hook" in installation("secrets", "remove", "gateway", code=3)
    assert value(database, installation, "gateway") == CANARY
    installation("secrets", "remove", "gateway", "--force")


def test_the_key_of_hash_masks_is_not_replaced_by_accident(database: Database, installation: Installation) -> None:
    installation("secrets", "set", "mask-hash", input="first")
    (form_id,) = publish(database, "household")
    with database.begin() as connection:
        add_integration(connection, form_id, "sheet", "warehouse", {}, mapping={"masks": {"name": "hash"}})

    assert "equal answers get other hashes" in installation("secrets", "set", "mask-hash", input="second", code=3)
    assert "sheet" in installation("secrets", "remove", "mask-hash", code=3)
    assert value(database, installation, "mask-hash") == "first"
    installation("secrets", "set", "mask-hash", "--force", input="second")
    assert value(database, installation, "mask-hash") == "second"


def test_a_rotation_with_the_key_file_of_another_installation_adds_no_key(installation: Installation) -> None:
    installation("secrets", "set", "gateway", input=CANARY)
    installation.settings.secrets_path.rename(installation.settings.secrets_path.with_name("away"))

    assert "not the key file of this installation" in installation("secrets", "rotate", code=3)
    assert not installation.settings.secrets_path.exists()
    assert installation.json("secrets", "list")["secrets"][0]["opens"] is False


def test_a_key_that_was_put_into_the_file_by_hand_is_used_without_adding_another(installation: Installation) -> None:
    installation("secrets", "set", "gateway", input=CANARY)
    before = installation.settings.secrets_path.read_text()
    installation.settings.secrets_path.write_text(before + "by-hand " + "A" * 43 + "=\n")

    assert installation.json("secrets", "rotate", "--no-new-key") == {
        "key_id": "by-hand",
        "key_file": str(installation.settings.secrets_path),
        "sealed": 1,
    }


def test_the_audit_tells_who_changed_which_secret_and_nothing_else(database: Database, installation: Installation) -> None:
    installation("secrets", "set", "gateway", input=CANARY)
    installation("secrets", "rotate")
    installation("secrets", "remove", "gateway")

    with database.begin() as connection:
        lines = connection.execute(text("select action, subject, detail::text from collect.audit order by audit_id")).all()
    assert [line.action for line in lines] == ["secret.set", "secret.rotate", "secret.remove"]
    assert CANARY not in str(lines)


def test_the_doctor_tells_of_secrets_that_are_missing_or_can_not_be_opened(database: Database, installation: Installation) -> None:
    (form_id,) = publish(database, "household")
    with database.begin() as connection:
        add_integration(connection, form_id, "hook", "webhook", {"secret": "stored:gateway"})
    found = list(secret_diagnoses(database, installation.settings))
    assert [(one.check, one.state, one.fix) for one in found] == [
        ("integration hook", "broken", "collect secrets set gateway --organization default")
    ]

    installation("secrets", "set", "gateway", input=CANARY)
    assert [(one.check, one.state) for one in secret_diagnoses(database, installation.settings)] == [("secrets", "ok")]

    installation.settings.secrets_path.rename(installation.settings.secrets_path.with_name("away"))
    (one,) = secret_diagnoses(database, installation.settings)
    assert (one.state, CANARY in one.detail) == ("broken", False)
