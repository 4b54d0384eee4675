"""Delivering: the batch an integration sends next, the attempt, and the ways it can end."""
