"""Proving that a destination holds what the ledger says, and repairing what does not."""
