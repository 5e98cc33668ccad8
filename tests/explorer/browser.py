"""The page in a real browser: servers in threads, and headless Chromium."""

from __future__ import annotations

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from corpora.explorer.explorer import Explorer
from corpora.explorer.server import make_application

TOKEN = "token"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


@contextmanager
def served(explorer: Explorer) -> Iterator[str]:
    """Serve an explorer in a thread; yields the address of its page."""
    import uvicorn

    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(
            make_application(explorer, TOKEN), log_level="warning", lifespan="off", ws="none",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=[[listener]], daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/{TOKEN}/"
        server.should_exit = True
        thread.join(5)


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


def show(page: Any, address: str, view: str) -> None:
    """Open a view, and wait until it has an answer."""
    page.goto("about:blank")
    page.goto(f"{address}#{view}")
    page.wait_for_selector("main .python, main .problem")
    page.wait_for_function("!document.querySelector('[aria-busy=true]')")
