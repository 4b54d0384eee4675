"""Calls to Google: how they are made, counted, and what their answers mean."""
