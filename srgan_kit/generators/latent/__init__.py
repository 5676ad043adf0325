"""Generators that make an image from a latent vector or from features."""
