"""What each sheet of a workbook says: columns, languages, types, questions, choices, settings, and our own sheet."""
