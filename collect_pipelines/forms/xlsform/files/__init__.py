"""Workbooks as text, from .xlsx, .xls and .csv, and back as .xlsx."""
