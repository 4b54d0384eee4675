"""Rules over many responses in one micro-batch: what is known of earlier responses is fetched, what was decided is recorded."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import polars as pl
from sqlalchemy import Connection

from collect_pipelines.forms.columns import Column
from collect_pipelines.forms.definition import FormDefinition
from collect_pipelines.store.database import Database
from collect_pipelines.store.leases import Lease, hold_lease
from collect_pipelines.store.log import read_entries
from collect_pipelines.store.profiles import WARNINGS, StoredProfile, keep_profile, recent_profiles
from collect_pipelines.store.uniques import Holding, first_holders, held_by, record_holdings, unique_progress_of
from collect_pipelines.sync.entries import text_frame
from collect_pipelines.validation.batch_rules import batches_needed
from collect_pipelines.validation.profiles import Profile
from collect_pipelines.validation.uniques import Claim, Register, UniqueRule, unique_rules
from collect_pipelines.validation.whole import Whole, log_entries, over_many

__all__ = ["History", "Many"]

CHUNK_ROWS = 10_000  # of history read at a time: only the answers a rule names
STEP_ROWS = 50_000  # of history per micro-batch: other forms wait meanwhile


class History:
    """Builds what rules `unique` know of the log, for a rule that is new."""

    def __init__(
        self, database: Database, form_id: int, versions: Mapping[int, FormDefinition], columns: Sequence[Column], lease: Lease
    ) -> None:
        self._database, self._form_id, self._lease = database, form_id, lease
        self._versions, self._columns = versions, columns
        self._rules = unique_rules(versions.values())

    def catch_up(self, through: int, most_rows: int = STEP_ROWS) -> int | None:
        """
        Reads the log up to `through`, but no more than about `most_rows` entries now; says how far it came, None when it is done.

        A crash loses one chunk at most, which is read again. Raises LeaseLost.
        """
        if not self._rules:
            return None
        left = most_rows
        while (behind := self._behind(through)) is not None:
            after, until, rules = behind
            if left <= 0:
                return after
            last = min(until, after + CHUNK_ROWS)
            self._read(rules, after, last)
            left -= last - after
        return None

    def _behind(self, through: int) -> tuple[int, int, list[UniqueRule]] | None:
        """The rules that know least: from where, up to where the next ones stand, and which those are."""
        with self._database.begin() as connection:
            progress = unique_progress_of(connection, self._form_id)
        known = {rule: min(progress.get(rule.key, 0), through) for rule in self._rules}
        after = min(known.values())
        if after >= through:
            return None
        until = min((position for position in known.values() if position > after), default=through)
        return after, until, [rule for rule, position in known.items() if position == after]

    def _read(self, rules: Collection[UniqueRule], after: int, last: int) -> None:
        wanted = {key for rule in rules for key in rule.questions}
        columns = [column for column in self._columns if column.key in wanted]
        keys = [rule.key for rule in rules]
        with self._database.begin() as connection:
            hold_lease(connection, self._lease)
            csv = read_entries(connection, self._form_id, after, last, [column.keys for column in columns], without_quarantined=True)
            frame = text_frame(csv, columns)
            # they were let through, whatever they share
            entries = [replace(entry, judged={}) for entry in log_entries(rules, self._versions, frame)]
            responses = {entry.response for entry in entries}
            register = Register(rules, _claims(held_by(connection, self._form_id, keys, responses)), {})
            for _ in register.judge(entries):
                pass
            record_holdings(connection, self._form_id, keys, responses, _holdings(register), last)


class Many:
    """One micro-batch, from what the store knows before it to what it knows after."""

    def __init__(self, form_id: int, versions: Mapping[int, FormDefinition]) -> None:
        """`versions`: all up to the form's newest."""
        self._form_id, self._versions = form_id, versions
        self._rules = unique_rules(versions.values())
        self._over_batches = over_many(versions[max(versions)])
        self._earlier: Sequence[StoredProfile] = ()

    @property
    def needed(self) -> bool:
        """Whether any version has such a rule."""
        return bool(self._rules or self._over_batches)

    def whole(self, connection: Connection, frame: pl.DataFrame, held: Collection[int], *, full: bool) -> Whole:
        """What the gate is to weigh. held: positions that are held back for another reason."""
        entries = log_entries(self._rules, self._versions, frame, held)
        responses = {entry.response for entry in entries}
        keys = [rule.key for rule in self._rules]
        held_now = held_by(connection, self._form_id, keys, responses) if keys else []
        values = {(rule, value) for entry in entries for rule, value in entry.values.items() if value is not None}
        others = first_holders(connection, self._form_id, values, responses) if values else {}
        register = Register(self._rules, _claims(held_now), {place: other.response_id for place, other in others.items()})
        self._earlier = recent_profiles(connection, self._form_id, batches_needed(self._over_batches)) if self._over_batches else []
        profiles = [Profile.from_json(one.rows, one.profile) for one in self._earlier]
        return Whole(self._versions, frame, entries, register, profiles, full=full)

    def record(self, connection: Connection, whole: Whole, warnings: Mapping[str, str], through: int) -> None:
        """What the store knows from now on. Belongs into the transaction that settles the micro-batch."""
        if self._rules:
            responses = set(whole.frame["_response_id"].to_list())
            record_holdings(connection, self._form_id, [rule.key for rule in self._rules], responses, _holdings(whole.register), through)
        if whole.rules:
            document = whole.batch.as_json() | {WARNINGS: dict(warnings)}
            profile = StoredProfile(through, whole.batch.rows, document)
            instead_of = self._earlier[0].through_position if whole.continued else None
            keep_profile(connection, self._form_id, profile, instead_of=instead_of, keep=batches_needed(whole.rules))


def _claims(holdings: Sequence[Holding]) -> dict[tuple[str, str], Claim]:
    return {(one.rule, one.response_id): Claim(one.value, one.position) for one in holdings}


def _holdings(register: Register) -> list[Holding]:
    return [Holding(rule, response, claim.value, claim.position) for rule, response, claim in register.claims()]
