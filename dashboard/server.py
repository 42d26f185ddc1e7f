"""Serves the dashboard with Streamlit, for this machine's browsers, and lets its pages reach no other host."""

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import streamlit
import uvicorn
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config
from streamlit.runtime.pages_manager import PagesManager
from streamlit.starlette import App

from dashboard.page import INK
from dashboard.pages import PAGES
from dashboard.reading import summaries
from evals.charts.chart import BLUE, SKY
from lab.errors import BakeoffError
from lab.listening import HOST

SCRIPT = Path(__file__).with_name("app.py")
LOCAL_NAMES = (HOST, "localhost", "[::1]")
HEADINGS = ["1.8rem", "1.4rem", "1.15rem", "1rem", "1rem", "1rem"]
# What Streamlit is told; each of these stands above what a user's own config.toml says.
OPTIONS: dict[str, Any] = {
    "browser.gatherUsageStats": False,
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    "client.toolbarMode": "viewer",
    "global.disableWidgetStateDuplicationWarning": True,  # what the address asks for stands above a default
    "logger.hideWelcomeMessage": True,
    "runner.postScriptGC": False,  # with the models' libraries loaded a full one takes half a second of each view
    "server.enableAgentApi": False,
    "server.fileWatcherType": "none",
    "server.headless": True,
    "theme.light.primaryColor": BLUE,
    "theme.dark.primaryColor": SKY,  # on black, blue letters are too faint
    **{f"theme.{shade}.textColor": ink for shade, ink in INK.items()},
    **{f"theme.{shade}.headingFontSizes": HEADINGS for shade in ("light", "dark")},
}
# Vega compiles its expressions, so 'unsafe-eval' must stay; but to whom a page can speak is this server alone.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; connect-src 'self' data: blob:;"
    " frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
# Where the server is, for a browser that comes to a page's own address: it would look for it beneath that first.
ORIGIN = "<head><script>window.__streamlit = { BACKEND_BASE_URL: location.origin };</script>"
NEEDED = ("altair", "pandas", "pyarrow.json", *(f"dashboard.pages.{page.path}" for page in PAGES))


def serve(opened: socket.socket, names: Sequence[str] = LOCAL_NAMES) -> None:
    """Serve the dashboard on an open socket until it is stopped.

    Args:
        opened: where to listen.
        names: of the hosts that a browser may know this machine by; any other is refused (DNS rebinding).
    """
    for name, value in OPTIONS.items():
        config.set_option(name, value)
    config.set_option("server.allowedHosts", list(names))
    PagesManager.uses_pages_directory = False  # else it takes each of our modules for a script of its own
    routes = [Route(f"/{page.path}", _opened) for page in PAGES]
    app = App(SCRIPT, lifespan=_prepared, routes=routes, middleware=[Middleware(_Policy)])
    uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="websockets-sansio")).run(sockets=[opened])


def _opened(request: Request) -> HTMLResponse:
    """Return Streamlit's own first document, told where the server is."""
    document = (Path(streamlit.__file__).parent / "static" / "index.html").read_text(encoding="utf-8")
    return HTMLResponse(document.replace("<head>", ORIGIN, 1), headers={"Cache-Control": "no-cache"})


@asynccontextmanager
async def _prepared(app: App) -> AsyncIterator[None]:
    """Load what the first visitor would wait for: the pages' libraries, and what all of them tell of the runs."""
    for module in NEEDED:
        import_module(module)
    with suppress(BakeoffError):  # which the page that needs it tells
        summaries()
    yield


class _Policy:
    """Adds to every answer what a page may load, and from whom (Content Security Policy Level 3)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = POLICY
                headers["Referrer-Policy"] = "no-referrer"
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        await self._app(scope, receive, sent)
