"""`python -m srgan_kit` is `srgan-kit`; `accelerate launch -m srgan_kit train ...` trains on several processes."""

from srgan_kit.cli.main import run

run()
