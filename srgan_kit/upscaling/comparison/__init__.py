"""One page that shows inputs and results beside each other."""
