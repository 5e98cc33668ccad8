"""The server of the page: static files, and answers as JSON."""

from __future__ import annotations

import errno
import json
import os
import secrets
import socket
import sys
import threading
import traceback
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from importlib import resources
from typing import TYPE_CHECKING, Any

from corpora.explorer.explorer import Explorer, UnknownName
from corpora.explorer.guard import Guard

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["make_application", "serve"]

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
# errors of a question, of which the message is for the person who asked; others are bugs
_EXPECTED = (OSError, ValueError, TypeError, LookupError, RuntimeError, ImportError, MemoryError)


def _import(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != name.split(".")[0]:
            raise
        raise ImportError(
            f"the explorer needs {error.name}: pip install similarity-encoders[explore]"
        ) from error


def make_application(explorer: Explorer, token: str) -> Guard:
    """Create the ASGI application.

    Parameters
    ----------
    explorer : Explorer
    token : str
        First part of the path of each request.

    Raises
    ------
    ImportError
        If starlette is not installed.
    """
    concurrency = _import("starlette.concurrency")
    responses = _import("starlette.responses")
    Starlette = _import("starlette.applications").Starlette
    Route = _import("starlette.routing").Route
    files = _static_files()

    def as_json(content: dict[str, Any], status: int = 200) -> Response:
        # in ASCII, so that half of a surrogate pair in a word does no harm
        text = json.dumps(content, allow_nan=False, separators=(",", ":"))
        response: Response = responses.Response(text, status, media_type="application/json")
        return response

    async def file(request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        response: Response
        if name not in files:
            response = responses.PlainTextResponse("not found\n", 404)
        else:
            content, media_type = files[name]
            response = responses.Response(content, headers={"content-type": media_type})
        return response

    async def question(request: Request) -> Response:
        if request.headers.get("content-type", "").split(";")[0] != "application/json":
            return as_json({"error": "a question must be JSON"}, 415)
        try:
            parameters = json.loads(await request.body())
        except (ValueError, RecursionError):
            parameters = None
        if not isinstance(parameters, dict):
            return as_json({"error": "a question must be a JSON object of parameters"}, 400)
        name = request.path_params["name"]
        return as_json(*await concurrency.run_in_threadpool(_answer, explorer, name, parameters))

    return Guard(
        Starlette(
            routes=[
                Route("/", file, methods=["GET"]),
                Route("/ask/{name}", question, methods=["POST"]),
                Route("/{name}", file, methods=["GET"]),
            ]
        ),
        token,
    )


def _answer(
    explorer: Explorer, name: str, parameters: dict[str, Any]
) -> tuple[dict[str, Any], int]:
    """The content of a response, and its status."""
    try:
        return explorer.ask(name, parameters), 200
    except UnknownName as error:
        return {"error": str(error), "suggestions": error.suggestions}, 404
    except _EXPECTED as error:
        # the text of a KeyError is the representation of its message
        is_quoted = isinstance(error, KeyError) and len(error.args) == 1
        return {"error": str(error.args[0]) if is_quoted else str(error)}, 422
    except Exception:
        traceback.print_exc()
        return {"error": "this is an error of the explorer: the terminal shows its traceback"}, 500


def _static_files() -> dict[str, tuple[bytes, str]]:
    """Content and type of the files that are served, by name."""
    folder = resources.files("corpora.explorer") / "static"
    return {
        file.name: (file.read_bytes(), _TYPES[os.path.splitext(file.name)[1]])
        for file in folder.iterdir()
        if os.path.splitext(file.name)[1] in _TYPES
    }


def _listen(port: int) -> socket.socket:
    """A socket that listens on this machine only."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # a port that was closed a moment ago may be used again
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise OSError(
                f"port {port} is used by another program: choose another one with --port, or leave "
                "it out for a free one"
            ) from error
        raise OSError(f"cannot listen on port {port}: {os.strerror(error.errno or 0)}") from error
    return listener


def serve(
    explorer: Explorer,
    *,
    port: int = 0,
    browser: bool = True,
    report: Callable[[str], None] = print,
) -> None:
    """Serve the page until the process is interrupted.

    Parameters
    ----------
    explorer : Explorer
    port : int
        Port on 127.0.0.1; 0 for a free one.
    browser : bool
        Open the page in a browser.
    report : callable
        Receives the address of the page.

    Raises
    ------
    ImportError
        If starlette or uvicorn is not installed.
    OSError
        If the port is in use.
    """
    uvicorn = _import("uvicorn")
    token = secrets.token_urlsafe(24)
    application = make_application(explorer, token)
    with _listen(port) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/{token}/"
        report(address)
        threading.Thread(target=explorer.warm_up, daemon=True).start()
        if browser and not _open(address):
            report("no browser was found: open the address in a browser on this machine")
        config = uvicorn.Config(
            application, log_level="warning", access_log=False, server_header=False,
            lifespan="off", ws="none", timeout_graceful_shutdown=1, limit_concurrency=64,
        )  # fmt: skip
        with suppress(KeyboardInterrupt):  # Ctrl-C is how the server is ended
            uvicorn.Server(config).run(sockets=[listener])


def _open(address: str) -> bool:
    """Open a page in a graphical browser; return False if it cannot be opened."""
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        return False  # a browser in the terminal would take it over
    try:
        return webbrowser.open(address)
    except webbrowser.Error:
        return False
