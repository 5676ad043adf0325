"""srgan-kit: super-resolution with perceptual GAN losses. See README.md and `srgan-kit --help`."""

__version__ = "0.1.0"
