"""Stored secrets: unreadable in the database, bound to their place, and readable again after their keys were changed."""

import base64
import os
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from collect_pipelines.errors import Blocked, ConfigInvalid, Conflict, Invalid, NotFound
from collect_pipelines.settings import Settings
from collect_pipelines.store.database import Database
from collect_pipelines.store.integrations import Integration, add_integration
from collect_pipelines.store.organizations import ensure_organization
from collect_pipelines.store.secrets import (
    ensure_secret,
    list_secrets,
    read_secret,
    remove_secret,
    rewrap,
    secret_users,
    write_secret,
)
from collect_pipelines.store.vault import Vault
from collect_pipelines.sync.context import DeliveryContext
from tests.integration.store_tools import publish

CANARY = "canary-3f9c-नमक"


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "data" / "secrets.key")


@pytest.fixture
def owner(database: Database) -> int:
    with database.begin() as connection:
        return ensure_organization(connection)


def stored(database: Database, vault: Vault, organization_id: int, name: str, value: str = CANARY) -> None:
    with database.begin() as connection:
        write_secret(connection, vault, organization_id, name, value)


def read(database: Database, vault: Vault, organization_id: int, name: str) -> str:
    with database.begin() as connection:
        return read_secret(connection, vault, organization_id, name)


def test_a_secret_reads_back_and_a_later_value_takes_its_place(database: Database, vault: Vault, owner: int) -> None:
    stored(database, vault, owner, "gateway", "old")
    stored(database, vault, owner, "gateway")

    assert read(database, vault, owner, "gateway") == CANARY
    assert read(database, Vault(vault.path), owner, "gateway") == CANARY


def test_the_whole_database_holds_no_trace_of_a_value(database: Database, vault: Vault, owner: int) -> None:
    stored(database, vault, owner, "gateway")
    hidden = (CANARY.encode(), base64.b64encode(CANARY.encode()), CANARY.encode().hex().encode())

    with database.begin() as connection:
        tables = connection.execute(text("select table_name from information_schema.tables where table_schema = 'collect'")).scalars().all()
        dump = "\n".join(
            str(row) for table in tables for row in connection.execute(text(f'select to_jsonb(t)::text from collect."{table}" t')).scalars()
        ).encode()

    assert b"gateway" in dump
    assert [value for value in hidden if value in dump] == []


@pytest.mark.parametrize("column", ["name", "organization_id"])
def test_a_sealed_value_that_is_moved_to_another_place_does_not_open_there(
    database: Database, vault: Vault, owner: int, column: str
) -> None:
    with database.begin() as connection:
        other = ensure_organization(connection, "other")
        write_secret(connection, vault, owner, "mine", CANARY)
        write_secret(connection, vault, other if column == "organization_id" else owner, "theirs", "their own")
        # what somebody who may write the database, but has no key, would try
        connection.execute(
            text(
                "update collect.secret t set sealed = f.sealed, nonce = f.nonce from collect.secret f"
                " where t.name = 'theirs' and f.name = 'mine'"
            )
        )

    with pytest.raises(ConfigInvalid, match="damaged or was stored under another name") as caught:
        read(database, vault, other if column == "organization_id" else owner, "theirs")

    assert CANARY not in str(caught.value)


def test_a_changed_byte_or_key_id_is_noticed(database: Database, vault: Vault, owner: int) -> None:
    stored(database, vault, owner, "gateway")
    first = vault.newest_key()
    vault.add_key()
    with database.begin() as connection:
        connection.execute(text("update collect.secret set key_id = :newest"), {"newest": vault.newest_key()})

    with pytest.raises(ConfigInvalid, match="damaged"):
        read(database, vault, owner, "gateway")

    with database.begin() as connection:
        connection.execute(
            text("update collect.secret set key_id = :first, sealed = set_byte(sealed, 0, get_byte(sealed, 0) # 1)"), {"first": first}
        )
    with pytest.raises(ConfigInvalid, match="damaged"):
        read(database, vault, owner, "gateway")


def test_organizations_do_not_see_each_others_secrets(database: Database, vault: Vault, owner: int) -> None:
    stored(database, vault, owner, "gateway")
    with database.begin() as connection:
        other = ensure_organization(connection, "other")

    with pytest.raises(NotFound):
        read(database, vault, other, "gateway")
    with database.begin() as connection:
        assert [(one.name, one.organization) for one in list_secrets(connection)] == [("gateway", "default")]
        assert list_secrets(connection, "other") == []


def test_rotation_seals_everything_anew_and_running_processes_go_on_reading(database: Database, vault: Vault, owner: int) -> None:
    running = Vault(vault.path)
    for number in range(5):
        stored(database, vault, owner, f"s{number}", f"{CANARY}{number}")
    assert read(database, running, owner, "s0") == f"{CANARY}0"

    added = Vault(vault.path).add_key()
    with database.begin() as connection:
        assert rewrap(connection, vault) == 5
        assert rewrap(connection, vault) == 0
        assert {one.key_id for one in list_secrets(connection)} == {added}

    assert [read(database, running, owner, f"s{number}") for number in range(5)] == [f"{CANARY}{number}" for number in range(5)]


def test_the_old_key_opens_nothing_after_a_rotation(database: Database, vault: Vault, owner: int) -> None:
    stored(database, vault, owner, "gateway")
    leaked = vault.path.with_name("leaked.key")
    leaked.write_bytes(vault.path.read_bytes())
    leaked.chmod(0o600)
    vault.add_key()
    with database.begin() as connection:
        rewrap(connection, vault)

    with pytest.raises(ConfigInvalid, match=r"which .* does not hold"):
        read(database, Vault(leaked), owner, "gateway")


def test_a_machine_without_the_key_file_makes_none_of_its_own_beside_it(
    database: Database, vault: Vault, owner: int, tmp_path: Path
) -> None:
    stored(database, vault, owner, "gateway")
    elsewhere = Vault(tmp_path / "elsewhere" / "secrets.key")

    with pytest.raises(ConfigInvalid, match=r"which .* does not hold"):
        read(database, elsewhere, owner, "gateway")
    with pytest.raises(Conflict, match="not the key file of this installation"):
        stored(database, elsewhere, owner, "another")
    with pytest.raises(Conflict, match="not the key file of this installation"), database.begin() as connection:
        ensure_secret(connection, elsewhere, owner, "mask-hash")

    assert not elsewhere.path.exists()


def test_an_ensured_secret_is_made_once_whoever_asks_first(database: Database, vault: Vault, owner: int) -> None:
    found: list[str] = []

    def ask() -> None:
        with database.begin() as connection:
            found.append(ensure_secret(connection, Vault(vault.path), owner, "mask-hash"))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 4
    assert len(set(found)) == 1
    assert len(base64.b64decode(found[0])) == 32


def test_the_key_file_is_made_private_and_refused_once_others_may_read_it(vault: Vault) -> None:
    sealed = vault.seal(1, "gateway", CANARY)
    assert vault.path.stat().st_mode & 0o777 == 0o600

    for mode in (0o644, 0o640, 0o602):
        vault.path.chmod(mode)
        with pytest.raises(ConfigInvalid, match="open to other users"):
            Vault(vault.path).open(1, "gateway", sealed)
        with pytest.raises(ConfigInvalid, match="open to other users"):
            vault.seal(1, "gateway", CANARY)


@pytest.mark.parametrize("content", ["", "# nothing\n", "a b\n", "a " + "A" * 43 + "=\na " + "A" * 43 + "=\n", "\xff" * 100, "x" * 70_000])
def test_a_broken_key_file_is_told_without_a_piece_of_it(vault: Vault, content: str) -> None:
    vault.path.parent.mkdir(parents=True)
    vault.path.write_text(content, "latin-1")
    vault.path.chmod(0o600)

    with pytest.raises(ConfigInvalid) as caught:
        vault.seal(1, "gateway", CANARY)

    assert str(vault.path) in str(caught.value)
    assert "AAAA" not in str(caught.value)


def test_two_processes_that_seal_first_use_one_key_file(tmp_path: Path) -> None:
    path = tmp_path / "secrets.key"
    sealed = []
    threads = [threading.Thread(target=lambda: sealed.append(Vault(path).seal(1, "gateway", CANARY))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({one.key_id for one in sealed}) == 1
    assert {Vault(path).open(1, "gateway", one) for one in sealed} == {CANARY}
    assert len({one.nonce for one in sealed}) == 8


@pytest.mark.parametrize(
    ("name", "value"), [("", "v"), ("a/b", "v"), ("../x", "v"), ("a" * 101, "v"), ("a", ""), ("a", "x" * 65_537), ("a", "\ud800")]
)
def test_what_can_be_no_secret_is_refused(database: Database, vault: Vault, owner: int, name: str, value: str) -> None:
    with pytest.raises(Invalid):
        stored(database, vault, owner, name, value)


def integration(database: Database, config: dict[str, object], name: str = "hook", mapping: dict[str, object] | None = None) -> Integration:
    (form_id,) = publish(database, name)
    with database.begin() as connection:
        return add_integration(connection, form_id, name, "webhook", config, mapping=mapping)


def test_a_destination_is_lent_the_stored_secret_of_its_organization(database: Database, owner: int, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    stored(database, Vault.from_settings(settings), owner, "gateway")
    context = DeliveryContext(database, settings, integration(database, {}))

    assert context.secret("stored:gateway") == CANARY
    with pytest.raises(Blocked, match="There is no stored secret nothing") as caught:
        context.secret("stored:nothing")
    assert caught.value.fix == "Store it: collect secrets set nothing"
    os.chmod(settings.secrets_path, 0o644)
    with pytest.raises(Blocked, match="open to other users"):
        DeliveryContext(database, settings, integration(database, {}, "second")).secret("stored:gateway")


def test_the_integrations_that_need_a_secret_are_known(database: Database, vault: Vault, owner: int) -> None:
    integration(database, {"key": "stored:gateway"}, "one")
    integration(database, {"headers": {"x": ["stored:gateway"]}}, "two")
    integration(database, {"key": "stored:gateway-2"}, "three")
    integration(database, {"provider": {"headers": {"Authorization": "Bearer stored:gateway"}}}, "through")
    integration(database, {"note": "this is not stored:gateway"}, "unused")
    integration(database, {}, "four", {"masks": {"phone": "hash", "name": "drop"}})
    integration(database, {}, "five", {"masks": {"phone": "last4"}})

    with database.begin() as connection:
        assert secret_users(connection, owner, "gateway") == ["one", "through", "two"]
        assert secret_users(connection, owner, "mask-hash") == ["four"]
        with pytest.raises(NotFound):
            remove_secret(connection, owner, "gateway")
