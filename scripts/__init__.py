"""Examples, benchmarks, experiments, and the making of the pretrained models.

python -m scripts.FOLDER.NAME     from the root of the checkout
"""
