"""The micro-batch loop: take, render, deliver, settle; and the same for validation."""
