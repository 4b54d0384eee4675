"""Is it there yet? Questions to servers on this machine that are answered with yes or no, never with an exception."""

import http.client
import json
import socket
from typing import Any
from urllib.parse import urlsplit

__all__ = ["answers", "dagster_is_ready", "listens"]

PROBE_SECONDS = 3.0  # a server that needs longer for a health page is not ready

# All daemons that must run do, and the code location is loaded: then schedules, sensors and the page work.
READINESS_QUERY = """
query Readiness {
  instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } }
  workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename } } } }
}
"""


def answers(url: str) -> bool:
    """True when a GET of the URL is answered with a success."""
    return _request("GET", url) is not None


def listens(host: str, port: int) -> bool:
    """True when something takes connections on the port."""
    try:
        with socket.create_connection((host, port), PROBE_SECONDS):
            return True
    except OSError:
        return False


def dagster_is_ready(url: str) -> bool:
    """True when the web server at the base URL sees a loaded code location and healthy daemons."""
    text = _request("POST", f"{url}/graphql", json.dumps({"query": READINESS_QUERY}))
    try:
        data: dict[str, Any] = json.loads(text or b"{}").get("data") or {}
        daemons = data["instance"]["daemonHealth"]["allDaemonStatuses"]
        locations = data["workspaceOrError"]["locationEntries"]
        loaded = [(entry["locationOrLoadError"] or {}).get("__typename") == "RepositoryLocation" for entry in locations]
    except (ValueError, KeyError, TypeError):
        return False
    return bool(loaded) and all(loaded) and all(daemon["healthy"] for daemon in daemons if daemon["required"])


def _request(method: str, url: str, body: str | None = None) -> bytes | None:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=PROBE_SECONDS)
    try:
        connection.request(method, parts.path or "/", body, {"Content-Type": "application/json"} if body else {})
        reply = connection.getresponse()
        text = reply.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    return text if reply.status < 400 else None
