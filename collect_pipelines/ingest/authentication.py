"""Who is calling: a Bearer key, looked up at most every few seconds, judged on every request."""

import asyncio
import hashlib
import re
import time
from datetime import UTC, datetime

from collect_pipelines.errors import NotFound, Unavailable
from collect_pipelines.ingest.cache import Cache
from collect_pipelines.ingest.problems import Problem
from collect_pipelines.ingest.request import Request
from collect_pipelines.ingest.threads import StoreThreads
from collect_pipelines.store.keys import ApiKey, Scope, find_key, touch_key
from collect_pipelines.telemetry.logs import get_logger

__all__ = ["Authenticator"]

CACHE_SECONDS = 2.0  # a revoked key works so long at most
TOUCH_SECONDS = 60.0  # "last used" is read by people; one write a minute and key is enough

_KEY = re.compile(rb"[A-Za-z0-9_-]{8,200}")
_KEY_PREFIX = "cp_"
_EXPOSING_NAMES = frozenset({"key", "api_key", "apikey", "access_token", "token", "authorization"})

log = get_logger(__name__)


class Authenticator:
    """The keys of this process. Only hashes of keys are kept."""

    def __init__(self, threads: StoreThreads, cache_seconds: float = CACHE_SECONDS) -> None:
        self._threads = threads
        self._keys: Cache[bytes, ApiKey | None] = Cache(cache_seconds)
        self._touched: dict[int, float] = {}
        self._touching: set[asyncio.Task[None]] = set()

    async def require(self, request: Request, scope: Scope) -> ApiKey:
        """The key the request came with. Raises Problem 401 (which key), 403 (which scope), or Unavailable."""
        text = _bearer(request)
        digest = hashlib.sha256(text).digest()
        key = await self._keys.get(digest, lambda: self._find(text.decode()))
        if key is None:
            raise Problem("key-unknown")
        request.key_id = key.key_id
        if key.revoked_at is not None:
            raise Problem("key-revoked")
        if key.expires_at is not None and key.expires_at <= datetime.now(UTC):
            raise Problem("key-expired")
        if scope not in key.scopes:
            raise Problem("scope-missing", f"This needs a key with the scope `{scope}`.")
        self._touch(key.key_id)
        return key

    async def _find(self, text: str) -> ApiKey | None:
        try:
            return await self._threads.transaction(find_key, text)
        except NotFound:
            return None  # kept like a found one, so that guessing keys costs Postgres nothing

    def _touch(self, key_id: int) -> None:
        now = time.monotonic()
        if now - self._touched.get(key_id, -TOUCH_SECONDS) < TOUCH_SECONDS:
            return
        self._touched[key_id] = now
        task = asyncio.create_task(self._write_touch(key_id))
        self._touching.add(task)
        task.add_done_callback(self._touching.discard)

    async def _write_touch(self, key_id: int) -> None:
        try:
            await self._threads.transaction(touch_key, key_id)
        except Unavailable:
            log.warning("key_touch_failed", msg="The time of last use was not noted; Postgres is away.", key_id=key_id)


def _bearer(request: Request) -> bytes:
    raw = request.header(b"authorization")
    if request.scope.get("query_string"):
        _refuse_key_in_url(request)
    if raw is None:
        raise Problem("key-missing")
    kind, _, text = raw.partition(b" ")
    text = text.strip()
    if kind.lower() != b"bearer" or not _KEY.fullmatch(text):
        raise Problem("key-malformed")
    return text


def _refuse_key_in_url(request: Request) -> None:
    for name, value in request.query().items():
        if value.startswith(_KEY_PREFIX) or name.lower() in _EXPOSING_NAMES:
            log.warning("key_in_url", msg="A key was sent in a URL, where proxies log it.", request_id=request.request_id)
            raise Problem("key-in-url")
