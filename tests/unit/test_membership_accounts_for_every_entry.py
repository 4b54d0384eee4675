"""Whatever a destination says of its rows, every entry of the batch is accounted for once (promise 4)."""

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collect_pipelines.destinations.interface import Outcome
from collect_pipelines.sync.entries import newest
from collect_pipelines.sync.membership import Membership
from collect_pipelines.sync.pieces import Piece

OUTCOMES = st.sampled_from(
    [
        Outcome.delivered(),
        Outcome.skipped("rule"),
        Outcome.refused("no"),
        Outcome.unknown("cut"),
        Outcome.unknown("cut", after=1.0),
        Outcome.later("busy"),
        Outcome.later("busy", after=3.0),
        Outcome.later("asleep", after=9.0, aside=True),
    ]
)


def entries(responses: list[str], positions: list[int]) -> pl.DataFrame:
    seen: dict[str, int] = {}
    rows = []
    for position, response in zip(positions, responses, strict=True):
        seen[response] = seen.get(response, 0) + 1
        rows.append({"_position": position, "_response_id": response, "_revision": seen[response], "_received_at": datetime.now(UTC)})
    schema = {"_position": pl.Int64, "_response_id": pl.String, "_revision": pl.Int64, "_received_at": pl.Datetime("us", "UTC")}
    return pl.DataFrame(rows, schema=schema)


@st.composite
def memberships(draw: Any) -> Membership:
    purpose = draw(st.sampled_from(["live", "retry", "backfill"]))
    whole = sorted(draw(st.sets(st.integers(1, 20), min_size=1, max_size=9)))
    positions = tuple(whole) if purpose != "live" else None
    piece = Piece(purpose, whole[0], whole[-1], positions)
    covered = list(range(whole[0], whole[-1] + 1)) if positions is None else whole
    let_through = [position for position in covered if draw(st.integers(0, 4))]
    frame = entries([draw(st.sampled_from("abcd")) for _ in let_through], let_through)
    append_only = draw(st.booleans())
    rows = frame if append_only else newest(frame)
    return Membership(
        piece, frame, rows.filter(pl.Series([bool(draw(st.integers(0, 5))) for _ in range(rows.height)], dtype=pl.Boolean)), append_only
    )


@given(memberships(), st.data())
def test_every_entry_up_to_where_the_batch_lands_counts_once(membership: Membership, data: st.DataObject) -> None:
    outcomes = [data.draw(OUTCOMES) for _ in range(membership.rows.height)]
    account = membership.account(outcomes)
    tail = [
        outcome for position, outcome in zip(membership.rows["_position"].to_list(), outcomes, strict=True) if position > account.through
    ]

    assert account.counts.total == max(membership.piece.entries_through(account.through), 0)
    assert all(outcome.state == "later" and not outcome.aside for outcome in tail)
    assert (account.later is None) == (not tail)
    assert account.counts.behind + account.counts.dead_lettered == len(account.failures)
    assert account.counts.filtered == len(account.dropped)
    assert not account.dropped & {failure.position for failure in account.failures}
    assert membership.piece.purpose != "retry" or not tail, "these are set aside already"


@pytest.mark.parametrize("wrong", [Outcome("gone"), Outcome("refused", 7), Outcome("later", None, "soon"), None])  # type: ignore[arg-type]
def test_what_is_no_outcome_is_not_counted(wrong: Any) -> None:
    frame = entries(["a"], [1])

    with pytest.raises((TypeError, ValueError, AttributeError)):
        Membership(Piece("live", 1, 1), frame, frame).account([wrong])


def test_a_wait_that_is_no_number_is_none() -> None:
    frame = entries(["a", "b"], [1, 2])
    account = Membership(Piece("live", 1, 2), frame, frame).account([Outcome.later("x", after=float("nan")), Outcome.delivered()])

    assert [failure.after for failure in account.failures] == [0.0]
