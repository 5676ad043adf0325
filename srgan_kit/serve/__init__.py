"""A server that has PyTorch loaded: on a local socket for `upscale --server`, over HTTP, and as a page."""
