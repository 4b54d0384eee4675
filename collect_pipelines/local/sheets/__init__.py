"""
A Google Sheets of our own: the wire protocol of Sheets v4, the Drive v3 part around it, and OAuth, on one loopback port.

`python -m collect_pipelines.local.sheets --data DIR` serves it. Its first start writes two credentials files into DIR:

* `DIR/person.json`: an authorized user who may own spreadsheets; what a destination uses when nothing else is configured.
  With `collect up` that is `<COLLECT_DATA_DIR>/sheets/person.json`.
* `DIR/service-account.json`: a service account; it may own nothing, spreadsheets are shared with it.

Tests start it with `collect_pipelines.local.sheets.testing.running_server`.
"""
