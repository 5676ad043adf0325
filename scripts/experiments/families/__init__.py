"""Reconstruction by every family of generative models."""
