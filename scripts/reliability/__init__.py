"""Fuzzers, and a program that kills commands: each counts what should not happen."""
