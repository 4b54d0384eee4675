"""The expectations of a form as Great Expectations knows them. Importing this imports GX (3-10 s of CPU): only the gate does, when used."""

import logging
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # GX 1.24 has no analytics left; this holds should it come back
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # GX imports modules that Python has deprecated
    import great_expectations
    from great_expectations.compatibility.pydantic import PrivateAttr
    from great_expectations.core.metric_domain_types import MetricDomainTypes
    from great_expectations.core.result_format import ResultFormat
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
    from great_expectations.expectations.core.expect_column_values_to_be_unique import ExpectColumnValuesToBeUnique
    from great_expectations.expectations.core.expect_table_columns_to_match_set import ExpectTableColumnsToMatchSet
    from great_expectations.expectations.core.expect_table_row_count_to_be_between import ExpectTableRowCountToBeBetween
    from great_expectations.expectations.expectation import BatchExpectation
    from great_expectations.expectations.metadata_types import FailureSeverity
    from great_expectations.expectations.metrics.metric_provider import metric_value
    from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider

from collect_pipelines.validation.batch_rules import Measure

logging.captureWarnings(False)  # GX turns it on for the whole process
logging.getLogger("great_expectations").setLevel(logging.CRITICAL)  # Promise 10: its messages can hold values

__all__ = [
    "CARRIER_COLUMNS",
    "RULES_METRIC",
    "ExpectBatchRule",
    "ExpectFormRule",
    "ExpectFormRules",
    "Workbench",
    "batch_expectations",
    "batch_rule_expectation",
    "rule_expectation",
]

CARRIER = "collect_pipelines.rules"
RULES_METRIC = "collect_pipelines.form_rules"
MEASURES_METRIC = "collect_pipelines.batch_rules"
CARRIER_COLUMNS = ("position", "version")


class Judged(Protocol):
    """What travels with the frame given to GX: the rules already bound to their rows."""

    def failing(self) -> Mapping[str, Sequence[int]]:
        """Row numbers that break each rule, by rule name."""

    def measures(self) -> Mapping[str, Measure]:
        """What each rule over batches found, by rule name."""


class FormRules(TableMetricProvider):
    """The one metric all form rules share: every rule of the form over every row, computed once by polars."""

    metric_name = RULES_METRIC

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(cls, execution_engine: Any, metric_domain_kwargs: dict[str, Any], **_: Any) -> Mapping[str, Sequence[int]]:
        return _carried(execution_engine, metric_domain_kwargs).failing()


class BatchRules(TableMetricProvider):
    """The same for the rules over batches: all of them, measured once."""

    metric_name = MEASURES_METRIC

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(cls, execution_engine: Any, metric_domain_kwargs: dict[str, Any], **_: Any) -> Mapping[str, Measure]:
        return _carried(execution_engine, metric_domain_kwargs).measures()


def _carried(execution_engine: Any, metric_domain_kwargs: dict[str, Any]) -> Judged:
    frame, _, _ = execution_engine.get_compute_domain(domain_kwargs=metric_domain_kwargs, domain_type=MetricDomainTypes.TABLE)
    judged: Judged = frame.attrs[CARRIER].content
    return judged


class _Told(BatchExpectation):
    """An expectation that builds its configuration once: Great Expectations asks for it some twenty times per validation."""

    _told: Any = PrivateAttr(default=None)

    @property
    def configuration(self) -> Any:
        """What identifies the expectation. Its fields never change once it is made."""
        if self._told is None:
            self._told = super().configuration
        return self._told


class ExpectFormRule(_Told):
    """Expect every response to keep one rule of its form version."""

    rule: str
    metric_dependencies: ClassVar[tuple[str, ...]] = (RULES_METRIC,)
    success_keys: ClassVar[tuple[str, ...]] = ("rule",)

    def _validate(self, metrics: dict[str, Any], runtime_configuration: Any = None, execution_engine: Any = None) -> dict[str, Any]:
        failing = metrics[RULES_METRIC][self.rule]
        return {"success": not failing, "result": {"unexpected_count": len(failing), "unexpected_index_list": failing}}


class ExpectFormRules(_Told):
    """Expect every response to keep all rules of its form version: for forms with very many of them."""

    metric_dependencies: ClassVar[tuple[str, ...]] = (RULES_METRIC,)

    def _validate(self, metrics: dict[str, Any], runtime_configuration: Any = None, execution_engine: Any = None) -> dict[str, Any]:
        # each rule that was judged, also those that no row breaks: a rule that is not named here was not judged
        rules = {rule: list(rows) for rule, rows in metrics[RULES_METRIC].items()}
        failing = sorted({row for rows in rules.values() for row in rows})
        result = {"unexpected_count": len(failing), "unexpected_index_list": failing, "details": {"rules": rules}}
        return {"success": not failing, "result": result}


class ExpectBatchRule(_Told):
    """Expect the batch as a whole, beside the batches before it, to keep one rule of the form. Never about a single response."""

    rule: str
    metric_dependencies: ClassVar[tuple[str, ...]] = (MEASURES_METRIC,)
    success_keys: ClassVar[tuple[str, ...]] = ("rule",)

    def _validate(self, metrics: dict[str, Any], runtime_configuration: Any = None, execution_engine: Any = None) -> dict[str, Any]:
        measure: Measure = metrics[MEASURES_METRIC][self.rule]
        return {"success": measure.passed, "result": {"observed_value": measure.observed, "details": {"sentence": measure.sentence}}}


def batch_rule_expectation(rule: str, description: str) -> Any:
    """One named expectation about the batch as a whole; a failure is a warning."""
    return ExpectBatchRule(rule=rule, description=description, severity=FailureSeverity.WARNING)


def rule_expectation(rule: str, description: str, severity: str) -> Any:
    """One named expectation of a suite."""
    return ExpectFormRule(rule=rule, description=description, severity=FailureSeverity(severity))


def batch_expectations() -> list[Any]:
    """What must hold for a batch as a whole; when it does not, reading the log went wrong and no row is released."""
    return [
        ExpectTableRowCountToBeBetween(min_value=1),
        ExpectTableColumnsToMatchSet(column_set=list(CARRIER_COLUMNS)),
        ExpectColumnValuesToBeUnique(column="position"),
    ]


class _Carrier:
    """Survives the copies pandas and GX make of a frame, as the same object."""

    def __init__(self, content: Judged) -> None:
        self.content = content

    def __deepcopy__(self, memo: Any) -> "_Carrier":
        return self


class Workbench:
    """One ephemeral GX context with one batch definition. Not safe for threads: GX then returns rows of other batches."""

    def __init__(self) -> None:
        self._context = great_expectations.get_context(mode="ephemeral")
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        self._context.variables.save()
        source = self._context.data_sources.add_pandas("log")
        self._batches = source.add_dataframe_asset("entries").add_batch_definition_whole_dataframe("batch")

    def suite(self, name: str, expectations: Sequence[Any]) -> Any:
        """A suite to be kept by the caller; nothing of it is stored in the context."""
        return great_expectations.ExpectationSuite(name=name, expectations=list(expectations))

    def judge(self, suite: Any, carrier_rows: Mapping[str, Sequence[int]], judged: Judged) -> list[Any]:
        """Validates one batch and returns the result of every expectation."""
        import pandas

        frame = pandas.DataFrame(carrier_rows, columns=list(CARRIER_COLUMNS))
        frame.attrs[CARRIER] = _Carrier(judged)
        batch = self._batches.get_batch({"dataframe": frame})
        # batch.validate stores nothing; ValidationDefinition.run would keep every result in memory for ever
        outcome = batch.validate(suite, result_format={"result_format": ResultFormat.COMPLETE, "return_unexpected_index_query": False})
        return list(outcome.results)
