"""
The process in which checks of one kind run. Started by ingest as `python -m collect_pipelines.checks.isolation.host`, clean, never forked.

It has no descriptor of ingest but its own end of a socket pair, no variable of its environment that could hold a secret, a bound
on its memory, and it ends with its parent. It answers one request at a time.
"""

import ctypes
import os
import resource
import signal
import socket
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

from collect_pipelines import plugins
from collect_pipelines.checks.interface import Check
from collect_pipelines.checks.isolation.wire import (
    MAX_REQUEST_BYTES,
    Frames,
    draft_of,
    findings_document,
    fingerprints_document,
    frame,
)
from collect_pipelines.checks.making import Unusable, made_check
from collect_pipelines.checks.verdict import Nonsense, sound_findings, sound_fingerprints, sound_metadata
from collect_pipelines.errors import PluginError
from collect_pipelines.forms.definition import FormDefinition

__all__ = ["NetworkDenied", "main"]

RECEIVE_BYTES = 1024 * 1024
PR_SET_PDEATHSIG = 1
HARD_LIMIT_FACTOR = 2  # beyond the memory after which the process is replaced, until allocating fails
KIBIBYTE = 1024
TOO_LARGE = "uses more memory than it may"
MORE_MEMORY = "Raise COLLECT_CHECK_MEMORY_MB, or remove it from the form."

# What Python tells before it opens a connection or asks a name server.
NETWORK = frozenset(
    {
        "socket.bind", "socket.connect", "socket.getaddrinfo", "socket.gethostbyaddr", "socket.gethostbyname", "socket.getnameinfo",
        "socket.sendmsg", "socket.sendto",
    }
)  # fmt: skip


class NetworkDenied(PermissionError):
    """A check has no network: what it needs to know comes in reference lists, or with its package."""


class _Host:
    """The checks of one kind by key, and the requests about them."""

    def __init__(self, channel: socket.socket, kind: str, memory_bytes: int) -> None:
        self._channel = channel
        self._kind = kind
        self._memory_bytes = memory_bytes
        self._ready: dict[int, tuple[Check, FormDefinition]] = {}

    def serve(self) -> None:
        """Until the parent goes away."""
        made = self._introduce()
        frames = Frames(MAX_REQUEST_BYTES)
        while data := self._channel.recv(RECEIVE_BYTES):
            for request in frames.feed(data):
                self._send(self._prepared(made, request) if "form" in request else self._answered(request))

    def _introduce(self) -> type[Check]:
        try:
            made: type[Check] = plugins.load(plugins.CHECKS, self._kind)
            facts = {"references": [str(name) for name in made.references], "fingerprints": made.fingerprints is not Check.fingerprints}
        except PluginError as exc:
            self._send({"failed": f"{exc.message} {exc.fix or ''}".strip()})
            raise SystemExit(1) from None
        except Exception as exc:
            self._send({"failed": f"The plug-in of kind {self._kind!r} is not a check: it raised {type(exc).__name__}."})
            raise SystemExit(1) from exc
        if self._is_too_large():
            self._send({"failed": f"The plug-in of kind {self._kind!r} {TOO_LARGE} as soon as it is imported. {MORE_MEMORY}"})
            raise SystemExit(1)
        self._send({"ready": facts})
        return made

    def _prepared(self, made: type[Check], request: Mapping[str, Any]) -> dict[str, Any]:
        key = request["key"]
        answer = {"key": key, "generation": request["generation"], "problem": None}
        try:
            form = FormDefinition.model_validate(request["form"])
            self._ready[key] = made_check(made, self._kind, request["config"], form, request["references"]), form
        except Unusable as exc:
            answer["problem"] = str(exc)
        if self._is_too_large():
            answer["problem"] = f"The check {self._kind!r} {TOO_LARGE} when it is made ready for this form. {MORE_MEMORY}"
        return answer

    def _answered(self, request: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = {"id": request["id"]}
        spent = False
        try:
            check, form = self._ready[request["key"]]
            draft = draft_of(request["draft"])
            if request["do"] == "fingerprints":
                answer["fingerprints"] = fingerprints_document(sound_fingerprints(check.fingerprints(draft, form)))
            else:
                answer["findings"] = findings_document(sound_findings(check.check(draft, form)))
                answer["metadata"] = sound_metadata(draft.answer_metadata)
        except Nonsense as exc:
            answer["error"] = str(exc)
        except MemoryError:
            answer["error"], spent = "raised MemoryError", True
        except BaseException as exc:  # noqa: BLE001 - a plug-in may raise anything, SystemExit and StopIteration, too
            answer["error"] = f"raised {type(exc).__name__}"  # not its text, which may hold answers
        if spent or self._is_too_large():
            answer["spent"] = True
        return answer

    def _is_too_large(self) -> bool:
        return _memory_bytes() > self._memory_bytes

    def _send(self, document: Mapping[str, Any]) -> None:
        self._channel.sendall(frame(document))


def main() -> None:
    """`host DESCRIPTOR KIND MEMORY_BYTES PARENT`"""
    descriptor, kind, memory_bytes, parent = sys.argv[1:]
    _bound(int(memory_bytes), int(parent))
    sys.addaudithook(_deny_network)
    _Host(socket.socket(fileno=int(descriptor)), kind, int(memory_bytes)).serve()
    os._exit(0)  # threads of a plug-in are not waited for


def _bound(memory_bytes: int, parent: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold answers
    if sys.platform == "linux":
        hard = HARD_LIMIT_FACTOR * memory_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before we asked to end with it
        os._exit(0)


def _deny_network(event: str, _: Any) -> None:
    if event in NETWORK:
        raise NetworkDenied


@cache
def _statm() -> int:
    return os.open("/proc/self/statm", os.O_RDONLY)


def _memory_bytes() -> int:
    """The memory this process uses; elsewhere than on Linux the most it ever used."""
    if sys.platform == "linux":
        # The peak that the kernel tells would be the one of ingest, from which this process was started.
        return int(os.pread(_statm(), 64, 0).split()[1]) * resource.getpagesize()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else KIBIBYTE)


if __name__ == "__main__":
    main()
