"""API keys by reference: taken from where the file says, or made once and kept there."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from collect_pipelines.errors import NotFound
from collect_pipelines.project.integration_changes import Problem
from collect_pipelines.project.model import KeyEntry
from collect_pipelines.project.plan import Change
from collect_pipelines.project.reading import ProjectFile, problem_at
from collect_pipelines.project.stored import Stored
from collect_pipelines.settings import environment_secret
from collect_pipelines.store.keys import ApiKey, find_key, is_key_text, new_key_text

__all__ = ["KeySource", "key_changes", "save_new_key"]

MOST_KEY_BYTES = 200  # a key has 51


@dataclass(frozen=True, slots=True)
class KeySource:
    """Where a key is, or is to be kept."""

    reference: str
    path: Path | None
    """For `file:`."""
    text: str | None
    """The key; None when nothing is there."""

    @classmethod
    def of(cls, file: ProjectFile, reference: str) -> "KeySource":
        """What is behind the reference now; a relative path starts at the project file."""
        scheme, _, name = reference.partition(":")
        if scheme == "env":
            return cls(reference, None, environment_secret(name))
        path = file.folder / name
        try:
            with path.open("rb") as opened:
                return cls(reference, path, opened.read(MOST_KEY_BYTES).decode("ascii", "replace").strip())
        except FileNotFoundError:
            return cls(reference, path, None)
        except OSError as exc:
            raise NotFound(f"{reference} can't be read: {exc.strerror}") from exc


def key_changes(connection: Connection | None, file: ProjectFile, stored: Stored) -> Iterator[Change | Problem]:
    """What the file changes. connection: None without a database; then references are not looked at."""
    for number, entry in enumerate(file.project.keys):
        known = stored.keys.get(entry.name)
        if connection is None:
            continue
        try:
            change = _change(connection, file, stored, entry, known)
        except NotFound as exc:
            yield Problem(problem_at(file.path, file.tree, ("keys", number, "value"), exc.message))
        else:
            if change is not None:
                yield change


def save_new_key(path: Path) -> str:
    """Makes a key and keeps it in a file that only its owner can read; it is on the disk when this returns."""
    text = new_key_text()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Promise 10: private from its first byte on, and never in the place of another file
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(text + "\n")
        opened.flush()
        os.fsync(descriptor)
    return text


def _change(connection: Connection, file: ProjectFile, stored: Stored, entry: KeyEntry, known: ApiKey | None) -> Change | None:
    """Raises NotFound for what can't be done, said without the key."""
    scopes = ", ".join(sorted(entry.scopes))
    source = KeySource.of(file, entry.value) if entry.value else None
    same = _is_known(connection, stored, entry, source) if source is not None and source.text is not None else known is not None
    facts = {"scopes": sorted(entry.scopes)}
    if known is None or not same:
        where = _where(entry, source, known)
        return Change("key", entry.name, "add", f"{scopes}; {where}", facts={**facts, "value": entry.value})
    if known.scopes != frozenset(entry.scopes):
        return Change("key", entry.name, "change", f"scopes: {', '.join(sorted(known.scopes))} -> {scopes}", facts=facts)
    return None


def _is_known(connection: Connection, stored: Stored, entry: KeyEntry, source: KeySource) -> bool:
    if not is_key_text(source.text or ""):
        raise NotFound(f"{source.reference} holds no key of this product; leave the file away to have one made, or use one that was")
    try:
        found = find_key(connection, source.text or "")
    except NotFound:
        return False
    if (found.organization, found.name) != (stored.organization, entry.name):
        raise NotFound(f"the key in {source.reference} is known under another name already; each key has one")
    if found.revoked_at is not None:
        raise NotFound(f"the key in {source.reference} is revoked; put another one there")
    return True


def _where(entry: KeyEntry, source: KeySource | None, known: ApiKey | None) -> str:
    if source is None:
        raise NotFound(
            f"there is no key `{entry.name}`; say with `value: file:PATH` where a new one is kept, or make it: collect keys create"
        )
    if source.text is not None:
        return f"taken from {source.reference}" + ("; the earlier one stays until it is revoked" if known else "")
    if source.path is None:
        raise NotFound(f"the environment variable behind {source.reference} is not set")
    return f"made and kept in {source.reference}"
