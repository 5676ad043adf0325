"""The HTTP interface: an image comes in, a larger one goes out."""

import asyncio
import shutil
import tempfile
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from srgan_kit import __version__
from srgan_kit.serve.images import Limits, Made, Refused, upscale_file
from srgan_kit.serve.options import WrongOption, arguments_of, models
from srgan_kit.serve.workers import HANGUP, Busy, Cancelled, Place, Workers

PATHS = ("/upscale", "/models", "/health")
FULL = "the queue is full"
RETRY_AFTER = "10"
"""Seconds after which who was refused for want of room may ask again."""
LOOK = 0.25
"""Seconds between looks at whether a client is still there."""
GONE = 499
"""What nginx calls a client that left; nobody reads it."""


def application(workers: Workers, limits: Limits) -> Starlette:
    """The interface; `Guard` stands before it."""
    threads, room = ThreadPoolExecutor(workers.most), asyncio.Semaphore(workers.most)

    async def health(request: Request) -> Response:
        waiting = max(0, workers.count - len(workers.all))
        about = {"status": "ok", "version": __version__, "workers": len(workers.all)}
        return JSONResponse(about | {"running": workers.count - waiting, "waiting": waiting})

    def list_models(request: Request) -> Response:
        fields = ("name", "scale", "architecture", "parameters", "licence", "training_data")
        return JSONResponse([{name: getattr(model, name) for name in fields} for model in models()])

    async def upscale(request: Request) -> Response:
        if room.locked():  # so many are being sent already
            raise Refused(503, FULL)
        async with room:
            return await in_folder(request)

    async def in_folder(request: Request) -> Response:
        folder = Path(tempfile.mkdtemp(prefix="srgan-kit-"))
        try:
            response = await _upscale(request, folder, workers, limits, threads)
            response.background = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
            return response
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/models", list_models),
            Route("/upscale", upscale, methods=["POST"]),
        ],
        exception_handlers={Refused: _refused, HTTPException: _http_error, Exception: _unexpected},  # pyright: ignore[reportArgumentType]
    )


async def _upscale(request: Request, folder: Path, workers: Workers, limits: Limits, threads: Executor) -> Response:
    try:
        arguments = await asyncio.to_thread(arguments_of, request.query_params.multi_items())
    except WrongOption as error:
        raise Refused(400, str(error)) from None
    if workers.is_full:
        raise Refused(503, FULL)
    file = folder / "image"
    await _save(request, file)
    if file.stat().st_size == 0:
        raise Refused(400, "the request has no image in it")
    try:
        with workers.place() as place:
            loop = asyncio.get_running_loop()
            work = loop.run_in_executor(threads, upscale_file, place, file, arguments, limits)
            made = await _while_there(request, place, work)
    except Busy:
        raise Refused(503, FULL) from None
    except Cancelled:
        return Response(status_code=GONE)
    return _answer(made)


async def _save(request: Request, file: Path) -> None:
    """The image of a request: its body, or the file of a form."""
    try:
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            async with request.form(max_files=1, max_fields=0) as form:
                uploads = [value for value in form.values() if isinstance(value, UploadFile)]
                if uploads:
                    with file.open("wb") as out:
                        await asyncio.to_thread(shutil.copyfileobj, uploads[0].file, out)
                else:
                    file.touch()
            return
        with file.open("wb") as out:
            async for piece in request.stream():
                out.write(piece)
    except (MultiPartException, HTTPException) as error:
        said = str(getattr(error, "detail", error))
        if "fields" in said:
            said = "it has more than the image in it; options stand in the address: /upscale?scale=2"
        raise Refused(400, f"the form cannot be read: {said}") from None
    except ClientDisconnect:
        raise Refused(GONE, "the client left") from None


async def _while_there(request: Request, place: Place, work: "asyncio.Future[Made]") -> Made:
    """What comes of the work; a client that leaves takes its job with it."""
    while not (await asyncio.wait([work], timeout=LOOK))[0]:
        if await request.is_disconnected():
            place.stop(HANGUP)
            break
    return await work


def _answer(made: Made) -> Response:
    """The file as it was written, and in the headers what is known of it."""
    facts = made.facts
    said = {
        "X-Model": facts["model"],
        "X-Reason": facts["choice"],
        "X-Size": "x".join(map(str, facts["size"])),
        "X-Seconds": str(facts["seconds"]),
        "X-Notes": "; ".join(facts["notes"]),
    }
    headers = {name: quote(value, safe=" ,;:()+'/") for name, value in said.items() if value}
    return FileResponse(made.file, headers=headers, filename=made.file.name)


def _refused(request: Request, error: Refused) -> Response:
    headers = {"Retry-After": RETRY_AFTER} if error.status == 503 else None
    return JSONResponse({"error": error.reason}, error.status, headers)


def _http_error(request: Request, error: HTTPException) -> Response:
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def _unexpected(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "something went wrong here; the server's own output says what"}, 500)
