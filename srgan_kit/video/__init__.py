"""Video files, read and written by PyAV (the extra `video`): frames as arrays, and all that goes along with them."""
