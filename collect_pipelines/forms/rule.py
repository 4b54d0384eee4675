"""A rule as the author of a form writes it: an expression over answers, or a matter of many responses at once."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictFloat, StrictInt, StrictStr, model_validator

from collect_pipelines.forms.faults import MAX_RULE_MESSAGE, MAX_RULE_QUESTIONS, Fault, Faults, rule_name_fault
from collect_pipelines.forms.fields import Labels, Part
from collect_pipelines.model import Severity

__all__ = ["FormRule", "RuleKind", "Volume"]

RuleKind = Literal["expression", "unique", "complete", "volume", "distribution"]

KINDS: tuple[RuleKind, ...] = ("expression", "unique", "complete", "volume", "distribution")
ROW_KINDS = frozenset({"expression", "unique"})  # tell which response breaks them, so that it can be held back
FIELDS_OF: dict[str, tuple[str, ...]] = {
    "on_missing": ("expression",),
    "at_least": ("complete",),
    "factor": ("volume",),
    "tolerance": ("distribution",),
    "last": ("complete", "volume", "distribution"),
    "min_rows": ("complete", "distribution"),
}
MAX_BATCHES = 1_000  # of a form's history that one rule looks back


def _rule_name(value: str) -> str:
    fault = rule_name_fault(value)
    if fault:
        raise ValueError(fault)
    return value


class Volume(Part):
    """How many responses a batch may have."""

    min: StrictInt | None = Field(default=None, ge=0, description="Least number of responses in a batch.")
    max: StrictInt | None = Field(default=None, ge=0, description="Greatest number of responses in a batch.")


class FormRule(Part):
    """
    What answers must keep, told with one name everywhere.

    One of `expression`, `unique`, `complete`, `volume` and `distribution` says what; `kind` names which. All but `expression` are judged
    over many responses, so they have `placement: batch` by themselves.
    """

    name: Annotated[str, AfterValidator(_rule_name)] = Field(
        description="Name of the rule in findings, commands and reports: a-z, 0-9, _ and -, unique in the form."
    )
    expression: StrictStr | None = Field(default=None, description="True when the answers are fine, e.g. savings <= income.")
    unique: tuple[str, ...] = Field(default=(), description="Question keys whose answers together no two responses may share.")
    complete: str | None = Field(default=None, description="A question key that most responses must answer; see `at_least`.")
    volume: Volume | None = Field(default=None, description="How many responses a batch may have; see also `factor`.")
    distribution: str | None = Field(default=None, description="A question key whose answers must keep to how they were; see `tolerance`.")
    severity: Severity = Field(
        default="reject",
        description="reject: the response is sent back, or held by validation. flag, note: it is kept and marked. "
        "Of the rules over many responses only unique can reject; the others flag unless they say note.",
    )
    message: Labels = Field(
        default_factory=dict, description="What the collector reads, as text or per language. Default: a plain sentence."
    )
    questions: tuple[str, ...] = Field(default=(), description="Question keys the message is about. Default: those of the rule, in order.")
    on_missing: Literal["skip", "fail"] = Field(
        default="skip", description="Whether an answer that is missing leaves the rule unjudged (skip) or breaks it (fail)."
    )
    placement: Literal["ingest", "batch"] = Field(
        default="ingest",
        description="ingest: answered while the collector waits, and judged again by validation. batch: by validation only.",
    )
    at_least: Annotated[StrictFloat, Field(gt=0, le=1)] = Field(
        default=0.9, description="For complete: share of responses that must answer."
    )
    factor: Annotated[StrictFloat, Field(gt=1)] | None = Field(
        default=None, description="For volume: how many times more or fewer responses than the median of the last batches."
    )
    tolerance: Annotated[StrictFloat, Field(gt=0)] = Field(
        default=0.25, description="For distribution: greatest shift, in standard deviations of a number, or in share of choices (0 to 1)."
    )
    last: Annotated[StrictInt, Field(ge=1, le=MAX_BATCHES)] = Field(
        default=20, description="For complete, volume and distribution: number of batches that are looked back on."
    )
    min_rows: Annotated[StrictInt, Field(ge=1)] = Field(
        default=30, description="For complete and distribution: with fewer responses than this nothing is said."
    )

    @model_validator(mode="before")
    @classmethod
    def _place_rules_over_many(cls, value: Any) -> Any:
        """A rule over many responses is a matter of batches, and flags: said here, so that every reader sees the effective values."""
        if not isinstance(value, dict) or value.get("expression") is not None:
            return value
        over_many = [kind for kind in KINDS if value.get(kind) is not None]
        if not over_many:
            return value
        defaults = {"placement": "batch", "severity": "reject" if over_many[0] in ROW_KINDS else "flag"}
        return {**defaults, **value}

    @model_validator(mode="after")
    def _keep_rules(self) -> "FormRule":
        faults = list(_faults(self))
        if faults:
            raise Faults(faults)
        return self

    @property
    def kind(self) -> RuleKind:
        """Which of the five forms the rule has."""
        return next(kind for kind in KINDS if getattr(self, kind) not in (None, ()))


def _faults(rule: FormRule) -> Iterator[Fault]:
    if len(rule.questions) > MAX_RULE_QUESTIONS:
        yield Fault(
            ("questions",), f"names {len(rule.questions)} questions, at most {MAX_RULE_QUESTIONS} are possible; name those to look at"
        )
    for language, text in rule.message.items():
        if len(text) > MAX_RULE_MESSAGE:
            yield Fault(("message", language), f"has {len(text):,} characters, at most {MAX_RULE_MESSAGE:,} are possible; say it shorter")
    written = [kind for kind in KINDS if getattr(rule, kind) not in (None, ())]
    if len(written) != 1:
        what = f"has {' and '.join(f'`{kind}`' for kind in written)}; make two rules of it" if written else "says nothing to keep"
        yield Fault((), f"{what}; a rule has one of {', '.join(f'`{kind}`' for kind in KINDS)}")
        return
    kind = written[0]
    for field, kinds in FIELDS_OF.items():
        if field in rule.model_fields_set and kind not in kinds:
            yield Fault((field,), f"`{field}` is only for {', '.join(f'`{one}`' for one in kinds)}; remove it")
    if kind != "expression" and rule.placement == "ingest":
        yield Fault(("placement",), f"`{kind}` is judged over many responses; write `batch`, or leave it out")
    if kind not in ROW_KINDS and rule.severity == "reject":
        yield Fault(("severity",), f"`{kind}` names no response that could be sent back; write `flag` or `note`, or leave it out")
    if kind == "volume":
        yield from _volume_faults(rule)


def _volume_faults(rule: FormRule) -> Iterator[Fault]:
    volume = rule.volume
    assert volume is not None
    if volume.min is None and volume.max is None and rule.factor is None:
        yield Fault(("volume",), "says nothing; give it `min` or `max`, or give the rule a `factor`")
    if volume.min is not None and volume.max is not None and volume.min > volume.max:
        yield Fault(("volume", "min"), "min is larger than max; no batch could pass")
