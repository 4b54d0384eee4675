"""A stream of sample responses into the ingest endpoint, in a thread of its own."""

import itertools
import json
import random
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from collect_pipelines.cli.front_door import FrontDoor
from collect_pipelines.cli.output import say
from collect_pipelines.errors import CollectError

if TYPE_CHECKING:
    from collect_pipelines.forms.definition import FormDefinition

__all__ = ["Stream"]


class Stream:
    """Sends `count` responses, one form after the other, `rate` per second, until stopped."""

    def __init__(self, url: str, key: str, forms: "list[FormDefinition]", rate: float, count: int) -> None:
        self._stop = threading.Event()
        self._door = FrontDoor(url, key, sleep=self._pause)
        self._forms = forms
        self._rate = rate
        self._count = count
        self._thread = threading.Thread(target=self._run, name="demo-stream", daemon=True)
        self.first: tuple[str, str] | None = None
        """Form and id of the first response, once it was acknowledged."""
        self.sent = 0

    def start(self) -> None:
        """Begins to send."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the response in hand."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _pause(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def _run(self) -> None:
        begun = time.monotonic()
        try:
            for form, document in itertools.islice(self._documents(), self._count):
                answer = self._door.post(f"/v1/forms/{quote(form, safe='')}/responses", json.dumps(document).encode()).or_raise()
                self.first = self.first or (form, str(answer["id"]))
                self.sent += 1
                if self._stop.wait(max(begun + self.sent / self._rate - time.monotonic(), 0.0)):
                    return
        except CollectError as exc:
            if not self._stop.is_set():
                say(f"The sample stream ended: {exc.message} {exc.fix or ''}")
        finally:
            self._door.close()

    def _documents(self) -> Iterator[tuple[str, dict[str, Any]]]:
        from collect_pipelines.local.demo_responses import sample_responses

        # Another seed at every start: a second demo adds to the first.
        sources = [(form.form, sample_responses(form, random.SystemRandom().getrandbits(64))) for form in self._forms]
        for form, source in itertools.cycle(sources):
            yield form, next(source)
