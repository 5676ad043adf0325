"""VAE/GAN: a learned similarity beside an element-wise one."""
