"""
Checks in processes of their own, so that nothing a check does costs a response, or ingest, more than its time.

`isolated` is such a check as the runner sees it; `processes` has the `pool` of each kind. A pool gives work to its `crew` of processes in
fair `turns`, for the form versions (`tenant`) that `lodging` knows. `member` is one process with its work, `child` the process as its
parent holds it, `host` what runs in it, `wire` what the two say to each other.
"""
