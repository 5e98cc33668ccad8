"""Protection of a server on this machine from pages of other sites and from other users.

A page of another site can send requests to any port of this machine. So each request must have

- a ``Host`` that names this machine: a foreign name that resolves to 127.0.0.1 (DNS rebinding) is
  refused, and so is a foreign ``Origin``;
- as the first part of its path a token that only the address printed at the start holds.

Requests are limited in length, and answers forbid the browser to keep them, to embed the page in
another one, and to send requests to other hosts.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

__all__ = ["LONGEST_BODY", "Guard"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

LONGEST_BODY = 1 << 17  # bytes
_LONGEST_PATH = 2048  # bytes, with the query
_METHODS = ("GET", "HEAD", "POST")
_LOCAL = ("127.0.0.1", "localhost")
_HEADERS = [
    (b"cache-control", b"no-store"),
    (
        b"content-security-policy",
        b"default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        b"object-src 'none'",
    ),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
]


class Guard:
    """Refuses requests that do not come from the page, and adds headers to all answers.

    Parameters
    ----------
    application : ASGI application
        Receives paths without the token.
    token : str
    """

    def __init__(self, application: Application, token: str) -> None:
        self._application, self._token = application, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, as in ASGI."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._application(scope, receive, send)
            return  # a connection of another kind, such as a web socket, is closed
        send = _with_headers(send)
        refusal = self._refusal(scope)
        if refusal is not None:
            await _refuse(send, *refusal)
            return
        body = await _read_body(receive)
        if body is None:
            await _refuse(send, 413, _TOO_LONG)
            return
        path = "/" + scope["path"].split("/", 2)[2]
        await self._application({**scope, "path": path, "raw_path": None}, _receive_of(body), send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and message for a request that is refused before its body is read."""
        if scope["method"] not in _METHODS:
            return 405, f"the method must be one of {', '.join(_METHODS)}"
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > _LONGEST_PATH:
            return 414, f"the address must have at most {_LONGEST_PATH} bytes"
        headers = [(name.lower(), value) for name, value in scope["headers"]]
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1 or _hostname(b"//" + hosts[0]) not in _LOCAL:
            return 403, "the host must be 127.0.0.1 or localhost"
        origins = [value for name, value in headers if name == b"origin"]
        if any(value.split(b"://")[-1] != hosts[0] for value in origins):
            return 403, "requests from other sites are refused"
        parts = scope["path"].split("/", 2)
        given = parts[1] if len(parts) > 2 else ""
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode()):
            return 403, "open the address that was printed when the explorer was started"
        lengths = [value for name, value in headers if name == b"content-length"]
        if any(not value.isdigit() or int(value[:20]) > LONGEST_BODY for value in lengths):
            return 413, _TOO_LONG
        return None


_TOO_LONG = f"the question must have at most {LONGEST_BODY:,} bytes: shorten the text"


def _hostname(address: bytes) -> str | None:
    try:
        return urlsplit(address.decode("ascii")).hostname
    except ValueError:
        return None


def _with_headers(send: Send) -> Send:
    async def wrapper(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *_HEADERS]}
        await send(message)

    return wrapper


async def _read_body(receive: Receive) -> bytes | None:
    """The body of a request; None if it is too long."""
    body = bytearray()
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)  # the client has gone
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > LONGEST_BODY:
            return None
    return bytes(body)


def _receive_of(body: bytes) -> Receive:
    parts: Iterable[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Message:
        return next(iter(parts), {"type": "http.disconnect"})

    return receive


async def _refuse(send: Send, status: int, message: str) -> None:
    content = f"{message}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(content)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
