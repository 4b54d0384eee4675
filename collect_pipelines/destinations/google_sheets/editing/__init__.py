"""Rows that are in the sheet already: finding, holding and changing them."""
