"""XLSForm and XForm: forms that people have in spreadsheets, read into definitions, and definitions written back."""
