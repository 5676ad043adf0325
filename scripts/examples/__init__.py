"""Short programs that use the kit: each runs in under a minute on a CPU."""
