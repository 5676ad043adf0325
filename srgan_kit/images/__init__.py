"""Image files and pixels: decoding, encoding, metadata, colour, resizing."""
