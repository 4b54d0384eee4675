"""Google's quotas: fixed minutes, per user and per project, reads and writes apart; a refused call costs nothing and is never applied."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from collect_pipelines.local.sheets.errors import ApiError, DriveError, SheetsError
from collect_pipelines.local.sheets.limits import Limits

__all__ = ["Quotas"]

WINDOW_SECONDS = 60  # "refilled every minute"; developers.google.com/workspace/sheets/api/limits
Kind = Literal["read", "write", "drive"]


class Quotas:
    """Counts of the current minute; one for all threads."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        """`clock` gives seconds since the epoch; the windows are its whole minutes."""
        self._limits = limits
        self._clock = clock
        self._lock = threading.Lock()
        self._window = 0
        self._used: dict[tuple[str, str, str], int] = {}

    def take(self, kind: Kind, project: str, project_number: str, user: str) -> None:
        """Counts one call of a user; raises the real 429 body ([L1] live-fixtures.json) when a minute is used up."""
        with self._lock:
            window = int(self._clock() // WINDOW_SECONDS)
            if window != self._window:
                self._window, self._used = window, {}
            per_user, per_project = self._most(kind)
            keys = ((kind, project, user), (kind, project, ""))
            for key, most, each_user in ((keys[0], per_user, True), (keys[1], per_project, False)):
                if self._used.get(key, 0) >= most:
                    raise self._refusal(kind, most, each_user, project_number)
            for key in keys:
                self._used[key] = self._used.get(key, 0) + 1

    def refusal(self, kind: Kind, project_number: str) -> ApiError:
        """The refusal of a user who has used up this minute, whether or not that is so."""
        return self._refusal(kind, self._most(kind)[0], True, project_number)

    def used(self) -> dict[str, int]:
        """Calls of the current minute, by `kind project user` (user empty: the whole project)."""
        with self._lock:
            if int(self._clock() // WINDOW_SECONDS) != self._window:
                return {}
            return {" ".join(key).strip(): count for key, count in self._used.items()}

    def _most(self, kind: Kind) -> tuple[int, int]:
        limits = self._limits
        if kind == "read":
            return limits.reads_per_user, limits.reads_per_project
        if kind == "write":
            return limits.writes_per_user, limits.writes_per_project
        return limits.drive_per_minute, limits.drive_per_minute

    def _refusal(self, kind: Kind, most: int, each_user: bool, project_number: str) -> ApiError:
        if kind == "drive":
            return DriveError(403, "userRateLimitExceeded", "User Rate Limit Exceeded", domain="usageLimits")
        word = kind.capitalize()
        limit = f"{word} requests per minute" + (" per user" if each_user else "")
        service, consumer = "sheets.googleapis.com", f"project_number:{project_number}"
        metadata: dict[str, Any] = {
            "quota_limit": f"{word}RequestsPerMinutePer" + ("User" if each_user else "Project"),
            "quota_limit_value": str(most),
            "quota_metric": f"{service}/{kind}_requests",
            "quota_unit": "1/min/{project}" + ("/{user}" if each_user else ""),
            "quota_location": "global",
            "window_start_time": datetime.fromtimestamp(self._clock() // WINDOW_SECONDS * WINDOW_SECONDS, UTC).strftime(
                "%Y-%m-%dT%H:%M:%SZ"
            ),
            "consumer": f"projects/{project_number}",
            "service": service,
        }
        reason = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED", "domain": "googleapis.com"}
        link = {"description": "Request a higher quota limit.", "url": "https://cloud.google.com/docs/quotas/help/request_increase"}
        details: list[dict[str, Any]] = [reason | {"metadata": metadata}, {"@type": "type.googleapis.com/google.rpc.Help", "links": [link]}]
        text = f"Quota exceeded for quota metric '{word} requests' and limit '{limit}' of service '{service}' for consumer '{consumer}'."
        return SheetsError(429, text, details=details)
