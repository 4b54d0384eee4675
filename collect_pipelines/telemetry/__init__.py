"""Every metric, log key and alert, in one list each."""
