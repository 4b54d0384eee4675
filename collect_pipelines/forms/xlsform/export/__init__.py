"""A definition as the sheets of a workbook."""
