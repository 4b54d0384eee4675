"""The mapping of an integration as it is written and stored; names are questions' keys."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from collect_pipelines.destinations.interface import OnDelete
from collect_pipelines.forms.columns import Mask
from collect_pipelines.forms.fields import Zone

__all__ = ["RESPONDENT", "ChosenColumn", "FrozenMapping", "MappingConfig"]

RESPONDENT = "_respondent"
"""Who answered, as the sender says: no question, and often a phone number all the same."""

MAX_HEADING = 200  # characters: longer ones are cut on every screen


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChosenColumn(_Part):
    """One column that goes out."""

    question: str = Field(description="Key of the question; one it had earlier will do as well.")
    heading: str | None = Field(
        default=None, min_length=1, max_length=MAX_HEADING, description="What stands above it. Unset: the question's label in the language."
    )


def _column(value: Any) -> Any:
    return {"question": value} if isinstance(value, str) else value


class MappingConfig(_Part):
    """Which responses and columns go out, and how they look."""

    filter: str | None = Field(
        default=None,
        min_length=1,
        description="An expression (docs/rules.md); what makes it true goes out. It may also name `_source`, `_respondent` and `_version`.",
    )
    columns: tuple[Annotated[ChosenColumn, BeforeValidator(_column)], ...] | None = Field(
        default=None,
        min_length=1,
        description="Only these questions, in this order: a key, or `question` and `heading`. Unset: all, and new ones come by themselves.",
    )
    exclude: tuple[str, ...] = Field(default=(), description="Questions that do not go out.")
    values: Literal["labels", "codes"] | None = Field(
        default=None, description="What stands for a choice: its label in the language, or its code. Unset: what the kind is made for."
    )
    time_zone: Zone | None = Field(
        default=None, description="IANA name of the zone moments are shown in, and whose day `today()` is. Unset: the form's `timezone`."
    )
    masks: dict[str, Mask] = Field(
        default_factory=dict,
        description="Question to `drop` (nothing goes out), `hash` (a digest under a key of the organization's), `last4` or `year`.",
    )
    mode: Literal["upsert", "append_only"] = Field(
        default="upsert", description="`upsert`: one row per response, edits change it. `append_only`: a row per revision, none is changed."
    )
    on_delete: OnDelete | None = Field(
        default=None, description="What a deletion does: `ignore`, or one of those the kind knows. Unset: the first of the kind's."
    )

    def document(self) -> dict[str, Any]:
        """As JSON, without what is not set; read again it is the same."""
        return self.model_dump(mode="json", exclude_defaults=True)


class FrozenMapping(MappingConfig):
    """What a batch is rendered with from its planning on, whatever is set meanwhile."""

    language: str | None = None
    earlier_filters: tuple[str | None, ...] = ()
    """Filters the integration had before, None for a time without: what was delivered under them must still be taken back."""
