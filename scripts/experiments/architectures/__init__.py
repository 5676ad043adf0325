"""Which network and data suit a pretrained super-resolver."""
