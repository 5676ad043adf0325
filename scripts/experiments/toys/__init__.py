"""Every adversarial system on synthetic distributions with known density."""
