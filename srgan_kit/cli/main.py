"""Entry point of the command `srgan-kit`; all that takes time to import is imported where signals are heard already."""

import errno
import os
import sys
import warnings

from srgan_kit.cli.console import drop_output, prepare_streams, say_last
from srgan_kit.cli.stopping import StoppedBySignal, ignore_signals, stop_on_signals, stopping_wins
from srgan_kit.errors import UserError


def run() -> None:
    """Run the command line and exit.

    A user's mistake is one line on stderr and an exit status, usually 2; a signal one line and 128 + its number.
    """
    status: object = 1
    try:
        try:
            stop_on_signals()
            prepare_streams()
            with stopping_wins():
                status = _status_of_command()
        finally:
            ignore_signals()  # nothing is left to stop
    except StoppedBySignal as stop:
        say_last(f"stopped by {stop.name}" + (f": {stop.done}" if stop.done else ""))
        status = stop.exit_status
    except UserError as error:
        say_last(f"error: {error}")
        status = error.exit_status
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] in ("srgan_kit", "losses"):
            raise
        say_last(f"error: this needs {error.name}, which is not installed; `pip install srgan-kit` brings it")
        status = 2
    except BrokenPipeError:  # the reader of our output closed it, as `| head` does
        status = 1
    except OSError as error:
        say_last(f"error: {_of_system(error)}")
        status = 1
    drop_output()
    sys.exit(status)  # pyright: ignore[reportArgumentType]


def _status_of_command() -> object:
    """Run it; its exit status."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # large tensors on huge pages: see upscaling/allocation.py
    os.getcwd()  # without a current folder torch's libraries end the process
    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("ignore")  # other libraries' warnings are for programmers
        if "--server" in sys.argv:  # what a client needs is little, and imported in a moment
            from srgan_kit.cli.by_server import asks_server, upscale_by_server

            if asks_server(sys.argv[1:]):
                return upscale_by_server(sys.argv[2:])
        from srgan_kit.cli.app import app

        status: object = 0
        try:
            app(prog_name="srgan-kit")
        except SystemExit as end:
            status = end.code
    sys.stdout.flush()
    return status


def _of_system(error: OSError) -> str:
    if error.errno == errno.ENOENT and error.filename is None:
        return "the current folder does not exist any more"
    return f"{os.fsdecode(error.filename or 'standard output')}: {error.strerror or error}"
