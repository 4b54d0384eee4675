"""The composition root: the only file that knows every part of the graph. Nobody imports it; `workspace.yaml` loads it by path."""

import sys
from pathlib import Path

# Loaded by path, from any folder, with nothing installed: our packages are found beside this file, before any stranger's `assets`.
ROOT = str(Path(__file__).resolve().parent.parent)
if sys.path[:1] != [ROOT]:
    sys.path.insert(0, ROOT)

import dagster as dg  # noqa: E402 - the path comes first

from assets.alerts import alerts, alerts_every_minute  # noqa: E402
from assets.checks import ledger_checks  # noqa: E402
from assets.destinations import destination_assets  # noqa: E402
from assets.lanes import lane_job  # noqa: E402
from assets.maintenance import retention, retention_daily  # noqa: E402
from assets.names import lane_kinds  # noqa: E402
from assets.reconciling import reconcile, reconcile_nightly, reconciled_checks  # noqa: E402
from assets.responses import responses  # noqa: E402
from assets.sensors import forms_sensor, lane_sensor  # noqa: E402
from assets.validated import validated  # noqa: E402
from resources.installation import Installation  # noqa: E402

defs = dg.Definitions(
    assets=[responses, validated, *destination_assets()],
    asset_checks=[*ledger_checks(), *reconciled_checks()],
    jobs=[*(lane_job(kind) for kind in lane_kinds()), alerts, reconcile, retention],
    sensors=[forms_sensor, *(lane_sensor(kind) for kind in lane_kinds())],
    schedules=[alerts_every_minute, reconcile_nightly, retention_daily],
    resources={"installation": Installation()},
    # A process per step would import everything once more.
    executor=dg.in_process_executor,
)
