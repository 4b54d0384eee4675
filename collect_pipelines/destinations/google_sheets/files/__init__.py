"""Which spreadsheets an integration writes into."""
