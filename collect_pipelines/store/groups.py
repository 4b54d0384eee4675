"""From a commit group to a result per submission, whatever Postgres says: retried, split around a refused row, or given up."""

import asyncio
import random
from collections.abc import Sequence

import asyncpg

from collect_pipelines.errors import CollectError, OutcomeUnknown, Unavailable
from collect_pipelines.model import Accepted, Submission
from collect_pipelines.store.accepting import Link

__all__ = ["Result", "store_group"]

ATTEMPTS = 4  # of a group that met a deadlock or a lock: each is over in a moment or will not be
RETRY_SECONDS = 0.02

Result = Accepted | CollectError | None
"""None: not stored because its form is locked by another transaction."""

# Errors that a row causes by what it holds: data exceptions, limits of the program, a null or a check.
ROW_CLASSES = ("22", "54")
ROW_STATES = ("23502", "23514")
RETRYABLE = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)


async def store_group(link: Link, submissions: Sequence[Submission], locked_elsewhere: set[int]) -> list[Result]:
    """
    One result per submission, in order; never raises for what Postgres does. The link is closed when it is of no more use.

    locked_elsewhere: forms that other transactions hold, kept up to date for later groups.
    """
    for attempt in range(ATTEMPTS):
        try:
            return list(await link.store(submissions, locked_elsewhere))
        except CollectError as error:
            return [error] * len(submissions)
        except asyncpg.LockNotAvailableError:
            # Some form is held by a stranger. From now on nobody waits for any of these until it was found free.
            locked_elsewhere.update(submission.form_id for submission in submissions)
        except RETRYABLE:
            await asyncio.sleep(RETRY_SECONDS * (attempt + random.uniform(0.5, 1.0)))  # noqa: S311 - jitter between two writers
        except Exception as error:  # noqa: BLE001 - every other error ends as a result: one caller's row must not end the writer
            return await _results_of(error, link, submissions, locked_elsewhere)
    return [_not_stored("Postgres is busy with other work. Nothing was stored.")] * len(submissions)


async def _results_of(error: Exception, link: Link, submissions: Sequence[Submission], locked_elsewhere: set[int]) -> list[Result]:
    if link.committing:
        # Promise 1: neither "stored" nor "not stored" would be true.
        await link.close()
        return [OutcomeUnknown(fix="Send it again: it is stored once.")] * len(submissions)
    if not _refuses_a_row(error):
        # Also after an error of the server: a new connection finds out whether it was the connection's fault.
        await link.close()
        return [_not_stored("Postgres can't store responses now. Nothing was stored.")] * len(submissions)
    if len(submissions) == 1:
        state = getattr(error, "sqlstate", None) or "22000"
        # Promise 10: the error's own text shows what the row holds.
        return [Accepted("not_stored", submissions[0].response_id, detail=f"Postgres refuses its content (SQLSTATE {state}).")]
    middle = len(submissions) // 2
    first = await store_group(link, submissions[:middle], locked_elsewhere)
    if link.closed:
        return [*first, *[_not_stored("Postgres can't be reached. Nothing was stored.")] * (len(submissions) - middle)]
    return [*first, *await store_group(link, submissions[middle:], locked_elsewhere)]


def _refuses_a_row(error: Exception) -> bool:
    if isinstance(error, asyncpg.InterfaceError):
        return isinstance(error, ValueError)  # asyncpg can't encode an argument
    state = getattr(error, "sqlstate", None) or ""
    return isinstance(error, UnicodeError | OverflowError) or state[:2] in ROW_CLASSES or state in ROW_STATES


def _not_stored(message: str) -> Unavailable:
    return Unavailable(message, fix="Send it again in a moment.")
