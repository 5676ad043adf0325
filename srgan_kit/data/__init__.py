"""Training data: image folders, crops, degradations."""
