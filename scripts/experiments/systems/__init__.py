"""A short run of every adversarial system."""
