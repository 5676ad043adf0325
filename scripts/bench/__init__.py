"""Benchmarks: each prints a table and writes its results to docs/."""
