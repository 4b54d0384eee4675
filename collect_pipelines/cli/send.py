"""`collect send`: a file of responses through the front door."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from collect_pipelines.cli.api_key import find_api_key
from collect_pipelines.cli.failures import QUARANTINED
from collect_pipelines.cli.front_door import FrontDoor
from collect_pipelines.cli.options import door_options, json_option, pass_settings
from collect_pipelines.cli.output import print_json, say
from collect_pipelines.cli.progress import Progress, progress
from collect_pipelines.cli.responses import ingest_url
from collect_pipelines.cli.rows import BATCH_ITEMS, Row, chunks, count_rows, read_rows
from collect_pipelines.settings import Settings

if TYPE_CHECKING:
    from collect_pipelines.forms.definition import FormDefinition

__all__ = ["command", "fetch_definition", "send_rows"]

SHOWN_PROBLEMS = 10  # enough to see the pattern; --json lists all


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--form", required=True, help="The form the rows answer.")
@click.option("--rate", type=click.FloatRange(min=0.1), help="At most so many responses per second. Default: as fast as they are taken.")
@door_options
@json_option
@pass_settings
def command(
    settings: Settings, file: Path, form: str, rate: float | None, url: str | None, key: str | None, key_file: Path | None, as_json: bool
) -> int:
    """
    Send every row of a CSV file as a response, through HTTP.

    Headers are question labels or keys, cells are labels or codes. Sending a file again changes nothing: every row has the id
    of its id column (`_id` or `id`, unless the form has such a question), or one made from its content. So an interrupted run
    is resumed by the same command.
    """
    total = count_rows(file)
    with progress(f"Sending {file.name}", total, quiet=as_json) as shown:
        door = FrontDoor(url or ingest_url(settings), find_api_key(settings, key, key_file), waiting=shown.wait_for)
        try:
            result = send_rows(door, form, file, rate, shown)
        finally:
            door.close()
    if as_json:
        print_json(result)
    else:
        _tell(result, form)
    return QUARANTINED if result["rejected"] else 0


def fetch_definition(door: FrontDoor, form: str) -> "FormDefinition":
    """The newest version of the form, as the endpoint knows it."""
    from collect_pipelines.forms.definition import FormDefinition

    document = door.get(f"/v1/forms/{quote(form, safe='')}").or_raise()
    return FormDefinition.model_validate(document["definition"])


def send_rows(
    door: FrontDoor, form: str, file: Path, rate: float | None, shown: Progress, sleep: Callable[[float], None] = time.sleep
) -> dict[str, Any]:
    """Sends the file and counts what became of its rows: accepted, replayed, rejected (each with line and reason)."""
    definition = fetch_definition(door, form)
    counts: Counter[str] = Counter()
    problems: list[dict[str, Any]] = []
    path = f"/v1/forms/{quote(form, safe='')}/responses:batch"
    most = BATCH_ITEMS if rate is None else max(1, min(BATCH_ITEMS, int(rate)))
    for group in chunks(read_rows(file, definition), most):
        if rate is not None and (early := shown.done / rate - shown.seconds) > 0:
            sleep(early)
        answer = door.post(path, b"\n".join(row.body for row in group), "application/x-ndjson").or_raise()
        _count(answer, group, counts, problems)
        shown.advance(len(group), f"{counts['replayed']} replayed" if counts["replayed"] else "")
    return {
        "form": form,
        "rows": shown.done,
        "accepted": counts["accepted"],
        "replayed": counts["replayed"],
        "rejected": len(problems),
        "problems": problems,
        "seconds": round(shown.seconds, 3),
        "rate": round(shown.rate, 1),
    }


def _count(answer: dict[str, Any], group: list[Row], counts: Counter[str], problems: list[dict[str, Any]]) -> None:
    for item in answer["results"]:
        row = group[item["index"]]
        if item["status"] < 400:
            counts["replayed" if item.get("replayed") else "accepted"] += 1
            continue
        problem = item.get("problem", {})
        places = [{name: place.get(name) for name in ("question", "label", "code", "message")} for place in problem.get("errors", ())]
        said = problem.get("detail") or problem.get("title") or f"HTTP {item['status']}"
        problems.append({"line": row.line, "id": row.response_id, "code": problem.get("code"), "message": said, "errors": places})


def _tell(result: dict[str, Any], form: str) -> None:
    say(
        f"{result['rows']} rows in {result['seconds']:.1f} s ({result['rate']:.0f}/s): "
        f"{result['accepted']} accepted, {result['replayed']} replayed (stored before), {result['rejected']} rejected."
    )
    for problem in result["problems"][:SHOWN_PROBLEMS]:
        places = "; ".join(f"{place['label'] or place['question']}: {place['message']}" for place in problem["errors"])
        say(f"  line {problem['line']}: {places or problem['message']}")
    if result["rejected"] > SHOWN_PROBLEMS:
        say(f"  ... and {result['rejected'] - SHOWN_PROBLEMS} more; --json lists all.")
    if result["rejected"]:
        say("Next:  correct those rows and send the file again; the others are not stored twice.")
    else:
        say(f"Next:  collect status --form {form}")
