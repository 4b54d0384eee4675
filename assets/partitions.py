"""
The partition of every asset: a form.

A key is the form's reference (`household`, `organization.household`), which never changes; the title may. The keys are added
by the sensor `forms` and by lane runs. Never a partition per response or batch: the batch log lives in our own tables.
"""

import dagster as dg

__all__ = ["FORMS", "forms"]

FORMS = "forms"

forms = dg.DynamicPartitionsDefinition(name=FORMS)
