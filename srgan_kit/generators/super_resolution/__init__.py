"""Generators that upscale an image."""
