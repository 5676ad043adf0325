"""Generators that draw an image value by value."""
