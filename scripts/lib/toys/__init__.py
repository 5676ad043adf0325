"""Distributions with known density, and the task of generating them."""
