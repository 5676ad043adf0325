"""Recipes: complete training runs as typed values."""
