"""`bakeoff dashboard`."""

import webbrowser
from importlib.util import find_spec
from typing import Annotated

import typer

from lab.command_app import command_app
from lab.console import Console
from lab.errors import BakeoffError
from lab.listening import HOST, listening

app = command_app()


@app.command()
def dashboard(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8501,
    host: Annotated[str, typer.Option(help="The address to listen on; whoever reaches it may start trainings.")] = HOST,
    browser: Annotated[bool, typer.Option(help="Open a browser on it.")] = True,
) -> None:
    """Open the window on what was measured: compare, knobs, change, cost, agent, watch."""
    if not find_spec("streamlit"):
        fix = "install it with: pip install 'bakeoff[dashboard]'"
        raise BakeoffError("the extra 'dashboard'", "no Streamlit here", fix)
    from dashboard.server import LOCAL_NAMES, serve

    with listening(port, host) as opened:
        names = LOCAL_NAMES if host == HOST else ("*",)
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{opened.getsockname()[1]}"
        if host != HOST:
            Console().warn(f"whoever reaches {host} sees every run, asks the LLMs and starts trainings here")
        Console().answer(f"the dashboard is at {address}")
        Console().note("Ctrl-C stops it; trainings that were started in it go on")
        if browser:
            webbrowser.open(address)
        serve(opened, names)
