"""Measured studies: each writes the results, tables and figures of its page in docs/."""
