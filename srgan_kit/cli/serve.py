"""`srgan-kit serve`: a page, an HTTP interface and a socket for `upscale --server`, with PyTorch loaded."""

import socket
import sys
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Annotated

import typer

from srgan_kit.cli.console import say
from srgan_kit.errors import UserError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from srgan_kit.serve.images import Limits
    from srgan_kit.serve.workers import Workers

WORKER = [sys.executable, "-m", "srgan_kit.cli.worker"]
"""The command line of a worker."""


def serve(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 for all.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 for any that is free.")] = 7860,
    allow_host: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Answer to this host name too; repeatable.")
    ] = None,
    queue: Annotated[int, typer.Option(min=0, metavar="N", help="Images that may wait.")] = 8,
    max_upload: Annotated[int, typer.Option(min=1, metavar="MB", help="Largest request, in megabytes.")] = 64,
    max_pixels: Annotated[int, typer.Option(min=1, metavar="N", help="Largest image, in pixels.")] = 2**25,
    max_result_pixels: Annotated[int, typer.Option(min=1, metavar="N", help="Largest result, in pixels.")] = 2**28,
    page: Annotated[bool, typer.Option("--page/--no-page", help="The page, if the extra ui is installed.")] = True,
) -> None:
    """Serve upscaling on this machine: a page, HTTP, and `srgan-kit upscale --server`.

    Exit status: 2 wrong command line; 128 + N after signal N.
    """
    from srgan_kit.serve.address import Listener
    from srgan_kit.serve.images import Limits
    from srgan_kit.serve.local import answer_clients
    from srgan_kit.serve.page import is_installed, remove_files
    from srgan_kit.serve.workers import Workers

    limits = Limits(max_upload * 10**6, max_pixels, max_result_pixels)
    with ExitStack() as stack:
        listener = stack.enter_context(_listen(host, port))
        local = stack.enter_context(closing(Listener()))
        say("PyTorch is being loaded ...", error=True)
        workers = stack.enter_context(closing(Workers(WORKER, queue)))
        answer_clients(local, workers)
        stack.callback(remove_files)
        app = _application(workers, limits, allow_host or [], page and is_installed())
        if page and not is_installed():
            say("note: no page, which needs the extra ui: pip install 'srgan-kit[ui]'", error=True)
        say(f"serving http://{_in_url(host)}:{listener.getsockname()[1]}")
        say(f"upscale --server finds it at {local.path}")
        _run(app, listener)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, UnicodeError) as error:
        raise UserError(f"--host {host} --port {port}: {getattr(error, 'strerror', None) or error}") from None


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _application(workers: "Workers", limits: "Limits", names: list[str], has_page: bool) -> "ASGIApp":
    from srgan_kit.serve.guard import Guard
    from srgan_kit.serve.http import PATHS, application
    from srgan_kit.serve.page import is_of_page, mount_page

    app = application(workers, limits)
    if has_page:
        mount_page(app, workers, limits)

    def is_known(path: str, query: str) -> bool:
        return path in PATHS or (has_page and is_of_page(path, query))

    return Guard(app, [name.lower() for name in names], limits.upload, is_known)


def _run(app: "ASGIApp", listener: socket.socket) -> None:
    """Serve until a signal comes."""
    import logging

    import uvicorn

    from srgan_kit.serve.guard import PatientProtocol, is_worth_telling

    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=200,
        timeout_graceful_shutdown=2,
    )
    logging.getLogger("uvicorn.error").addFilter(is_worth_telling)
    uvicorn.Server(config).run(sockets=[listener])
