"""Responses from a file: CSV exports, NDJSON, or what `collect responses list --json` printed."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from collect_pipelines.errors import Invalid

if TYPE_CHECKING:
    from collect_pipelines.forms.definition import FormDefinition

__all__ = ["read_documents"]

JSON_SUFFIXES = frozenset({".json", ".jsonl", ".ndjson"})
ID_NAMES = ("id", "response_id")
FIX = 'Give one document per line, such as {"answers": {"age": 30}}.'


def read_documents(path: Path, definition: "FormDefinition") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """
    Response id (else the line) and answers, in the order of the file. Raises Invalid naming the line that can't be read.

    A line of NDJSON is a document `{"id": ..., "answers": {...}}`, or the answers alone.
    """
    return _json_documents(path) if path.suffix.lower() in JSON_SUFFIXES else _csv_documents(path, definition)


def _csv_documents(path: Path, definition: "FormDefinition") -> Iterator[tuple[str, Mapping[str, Any]]]:
    from collect_pipelines.forms.exports.rows import submissions_of

    for line, response_id, answers in submissions_of(definition, path):
        yield response_id or f"line {line}", answers


def _json_documents(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield from _documents(_object(line, f"{path}:{number}"), path, f"line {number}")


def _documents(document: dict[str, Any], path: Path, place: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    several = document.get("responses")
    if isinstance(several, list) and all(isinstance(one, dict) for one in several):
        for index, one in enumerate(several, 1):
            yield from _documents(one, path, f"{place}, response {index}")
        return
    response_id = next((str(document[name]) for name in ID_NAMES if document.get(name)), place)
    answers = document.get("answers", document)
    if not isinstance(answers, dict):
        raise Invalid(f"{path}, {place}: `answers` is not a JSON object.", fix=FIX)
    yield response_id, answers


def _object(line: bytes, place: str) -> dict[str, Any]:
    try:
        # ingest refuses the same: NaN, half a character, bytes that are not UTF-8
        document = json.loads(line.decode("utf-8-sig"), parse_constant=_no_number)
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeError as exc:
        raise Invalid(f"{place}: not UTF-8.", fix="Save the file as UTF-8, one JSON document per line.") from exc
    except (ValueError, RecursionError) as exc:
        raise Invalid(f"{place}: not JSON.", fix=FIX) from exc
    if not isinstance(document, dict):
        raise Invalid(f"{place}: not a JSON object.", fix=FIX)
    return document


def _no_number(name: str) -> None:
    raise ValueError(name)
