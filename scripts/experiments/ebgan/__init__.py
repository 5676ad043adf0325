"""EBGAN beside GAN, as in its paper's grid search."""
