"""f-GAN at its paper's numbers."""
