"""Model files: what is bundled, our own and community checkpoints, and networks built from recipes."""
