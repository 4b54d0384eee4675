"""
Survey exports: tables of responses that another tool wrote.

From file to table: `table` (CSV), `sheet_rows` (XLSX), `header_rows`. From table to a form: `inference`, which asks `column_evidence`,
`list_evidence` and `span_evidence`, and writes a `draft`. From a row to answers: `rows`, with `cell_format`, `number_format`,
`moment_format` and `question_parts`, which read what inference decided.
"""
