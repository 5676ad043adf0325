"""`python -m srgan_kit` is `srgan-kit`; `accelerate launch -m srgan_kit train ...` trains on several processes."""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # until `run` listens, Ctrl-C ends without a traceback

from srgan_kit.cli.main import run

__all__ = ["run"]

if __name__ == "__main__":
    run()
