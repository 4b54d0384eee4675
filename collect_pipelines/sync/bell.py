"""Postgres's doorbell as a threading event, so that a lane can wait for commits and for its own threads at once."""

import threading

from collect_pipelines.store.database import Doorbell

__all__ = ["Bell"]

LISTEN_SECONDS = 0.5  # how long the thread may take to notice that it is to end


class Bell:
    """Sets `wake` when responses may have been committed or validated. A context manager."""

    def __init__(self, url: str, wake: threading.Event) -> None:
        self._url, self._wake = url, wake
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="doorbell", daemon=True)

    def __enter__(self) -> "Bell":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _listen(self) -> None:
        doorbell = Doorbell(self._url)
        try:
            while not self._ended.is_set():
                if doorbell.wait(LISTEN_SECONDS):
                    self._wake.set()
        finally:
            doorbell.close()
