"""Checkpoints of other projects, as teachers."""
