"""From a piece of the log to what one integration sends of it: rows, columns and a digest, the same however often it is asked."""

from dataclasses import dataclass, replace

import polars as pl
from sqlalchemy import Connection

from collect_pipelines.destinations.interface import Batch, Column, Destination
from collect_pipelines.errors import Blocked
from collect_pipelines.forms.columns import META_COLUMNS
from collect_pipelines.forms.definition import label_in
from collect_pipelines.settings import Settings
from collect_pipelines.store.forms import FormRecord
from collect_pipelines.store.integrations import Integration
from collect_pipelines.store.log import read_entries
from collect_pipelines.sync.display import Speech, code_list, readable
from collect_pipelines.sync.entries import text_frame
from collect_pipelines.sync.mapping.columns import Outgoing
from collect_pipelines.sync.mapping.fit import Misfit
from collect_pipelines.sync.mapping.keys import hash_key
from collect_pipelines.sync.mapping.masks import Masks
from collect_pipelines.sync.mapping.model import RESPONDENT, FrozenMapping
from collect_pipelines.sync.mapping.plan import Plan
from collect_pipelines.sync.mapping.selection import known_responses, select
from collect_pipelines.sync.membership import Membership
from collect_pipelines.sync.pieces import Piece
from collect_pipelines.sync.rendering import digest_of, rendered_rows
from collect_pipelines.sync.versions import Versions
from collect_pipelines.validation.values import typed

__all__ = ["Rendered", "render_rows", "rendered", "unfit"]

OPTIONS = {
    "filter": "--filter",
    "columns": "--columns",
    "exclude": "--exclude",
    "masks": "--mask",
    "mode": "--upsert",
    "on_delete": "--on-delete",
}
"""Of `collect integrations set`, by the field of a mapping that they change."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a batch is to hold."""

    membership: Membership
    columns: tuple[Column, ...]
    frame: pl.DataFrame
    digest: str
    plan: Plan
    entries: pl.DataFrame
    """What the rows were chosen from, as the log has it: not for the destination."""
    known: frozenset[str] = frozenset()
    """Responses of which the destination was sent an earlier revision, for kinds that ask."""

    def batch(self, integration: Integration, form: FormRecord, piece: Piece, batch_no: int, attempt: int = 1) -> Batch:
        """The batch as the destination gets it."""
        language = self.plan.mapping.language
        return Batch(
            form=integration.form,
            form_title=label_in(form.title, language, form.slug),
            integration_id=integration.integration_id,
            batch_no=batch_no,
            from_position=piece.from_position,
            to_position=piece.to_position,
            digest=self.digest,
            columns=self.columns,
            frame=self.frame,
            attempt=attempt,
            append_only=self.plan.append_only,
            on_delete=self.plan.on_delete,
            language=language,
            labels=self.plan.labels,
            time_zone=self.plan.zone,
            purpose=piece.purpose,
            known=self.known,
        )


def rendered(
    connection: Connection,
    integration: Integration,
    destination: Destination,
    versions: Versions,
    piece: Piece,
    version: int,
    mapping: FrozenMapping,
    *,
    settings: Settings,
) -> Rendered:
    """
    What of the piece goes out under this mapping, with the columns of the form's versions up to `version`.

    The same arguments give the same digest while the cursor stands, also after a crash. settings: where the key of `hash` masks is.
    Raises Blocked when the mapping no longer fits the form, or that key is gone.
    """
    plan = versions.plan(connection, integration.form_id, version, mapping, type(destination))
    if plan.misfits:
        # Promise 4: what nobody can decide about is not left out in silence
        raise unfit(integration.name, plan.misfits)
    keys = [column.keys for column in plan.sources]
    csv = read_entries(
        connection,
        integration.form_id,
        piece.from_position - 1,
        piece.to_position,
        keys,
        without_quarantined=True,
        positions=piece.positions,
    )
    entries = text_frame(csv, plan.sources)
    rows = select(connection, integration, plan, piece, entries)
    masks = Masks(hash_key(connection, settings, integration.organization) if plan.hashes else b"", plan.zone)
    frame = render_rows(rows, plan, masks)
    ask = destination.asks_known and not plan.append_only
    known = known_responses(connection, integration, plan, piece, rows) if ask else frozenset[str]()
    return Rendered(Membership(piece, entries, rows, plan.append_only), plan.columns, frame, digest_of(frame), plan, entries, known)


def render_rows(rows: pl.DataFrame, plan: Plan, masks: Masks) -> pl.DataFrame:
    """The frame of a batch, in the form the kind declares and under the mapping's masks."""
    meta = {name: pl.col(f"_{name}") for name in META_COLUMNS}
    if plan.respondent == "drop":
        meta["respondent"] = pl.lit(None, pl.String)
    elif plan.respondent is not None:
        meta["respondent"] = masks.column(pl.col(RESPONDENT), "text", plan.respondent)
    speech = Speech(plan.mapping.language, plan.labels, plan.shown_zone)
    answers = [_answer(one, plan, masks, speech).alias(one.column.name) for one in plan.outgoing]
    return rendered_rows(rows, answers, [column.alias(f"_{name}") for name, column in meta.items()])


def unfit(name: str, misfits: tuple[Misfit, ...]) -> Blocked:
    """That an integration can't go on with its mapping, and how it can."""
    told = " ".join(f"{one.field}: {one.message}." for one in misfits)
    options = " ".join(dict.fromkeys(f"{OPTIONS[one.field]} ..." for one in misfits))
    return Blocked(
        f"The mapping of {name} does not fit the form. {told}",
        fix=f"{misfits[0].fix[:1].upper()}{misfits[0].fix[1:]}. Change it with `collect integrations set {name} {options}`, "
        f"then `collect integrations resume {name}`.",
    )


def _answer(one: Outgoing, plan: Plan, masks: Masks, speech: Speech) -> pl.Expr:
    text = pl.col(one.source.name)
    if one.mask is not None:
        return masks.column(text, one.source.type, one.mask)
    if one.treated:
        text = masks.inside(text, one.treated)
    column = replace(one.column, name=one.source.name)
    if plan.code_lists and column.type == "select_multiple":
        return code_list(text)
    if plan.display:
        return readable(column, speech, text)
    return readable(column, speech, text, typed_lists=True) if plan.labels and column.question.choices else typed(text, column.type)
