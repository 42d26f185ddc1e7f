"""One MCP server: started, asked, asked again where that is safe, given up when it does not answer."""

import asyncio
import atexit
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from langchain_core.tools import StructuredTool, ToolException

from agents.tools.mcp.library import Client, ElicitResult, MCPAdapter, StdioTransport, StreamableHttpTransport
from agents.tools.mcp.servers import Server
from lab.console import printable
from lab.errors import BakeoffError
from lab.redact import LONGEST, reason
from lab.workspace import Workspace

T = TypeVar("T")
Result = tuple[list[dict[str, Any]], Any]
Transport = StdioTransport | StreamableHttpTransport
CLOSING_SECONDS = 8.0  # a server that ignores the end of its input is terminated after 2 s, and killed after 4
LATE_SECONDS = 5.0  # for what is given up to be cleared away
TAIL_BYTES = 4096
BACKOFF_SECONDS = (0.1, 0.3)  # before a server whose connection was lost is asked again
_STARTING = threading.Lock()


class Background:
    """An event loop in a thread of its own, for all servers: their library is asynchronous, the graph is not."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="mcp", daemon=True).start()
        self._open: set[Transport] = set()
        atexit.register(self.close)

    def run(self, work: Awaitable[T], seconds: float) -> T:
        """Wait for `work`, which is given up after `seconds`.

        Raises:
            TimeoutError: it was given up.
        """
        waiting = asyncio.wait_for(work, seconds)
        return asyncio.run_coroutine_threadsafe(waiting, self._loop).result(seconds + LATE_SECONDS)

    def keep(self, transport: Transport) -> None:
        """Remember what must be ended when the program ends, if not before."""
        self._open.add(transport)

    def end(self, transport: Transport) -> None:
        """Begin to end a server, and do not wait for it."""
        asyncio.run_coroutine_threadsafe(self._end(transport), self._loop)

    def close(self) -> None:
        """End every server that was started, and wait for that."""

        async def end_all() -> None:
            await asyncio.gather(*map(self._end, self._open), return_exceptions=True)

        if self._open:
            with suppress(TimeoutError):
                self.run(end_all(), CLOSING_SECONDS)

    async def _end(self, transport: Transport) -> None:
        await transport.close()  # type: ignore[no-untyped-call]
        self._open.discard(transport)


def background() -> Background:
    """Return the process's one background loop."""
    with _STARTING:  # servers are started side by side, and a connection lives in the loop that started it
        return _background()


@cache
def _background() -> Background:
    return Background()


class Lost(BakeoffError):
    """The connection failed; `again` says whether nothing is done twice by asking once more."""

    again: bool = False


@dataclass(frozen=True)
class Started:
    """A server that runs, and what langchain makes of its tools."""

    transport: Transport
    client: Client[Any]
    tools: dict[str, StructuredTool]


class Connection:
    """A server, started at the first need, and anew when it was given up."""

    def __init__(self, server: Server) -> None:
        """Prepare; nothing is started yet."""
        self.server = server
        self._log = (Workspace.current().home / "mcp" / f"{_file_name(server.name)}.log").resolve()
        self._log.unlink(missing_ok=True)
        self._changing = threading.Lock()
        self._running: Started | None = None

    def tools(self) -> dict[str, StructuredTool]:
        """Return the server's tools, by the names it gives them; it is started if it does not run.

        Raises:
            BakeoffError: it cannot be started, does not answer in time, or talks nonsense.
        """
        return self._patiently(self._started).tools

    def call(self, name: str, arguments: dict[str, Any]) -> Result:
        """Return what a tool answers: its content blocks, and its structured content or None.

        Raises:
            BakeoffError: it reports an error, does not answer in time, or its server ended.
        """
        return self._patiently(lambda: self._called(name, arguments))

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask, and again if the connection was lost in a harmless way; no longer than a call may take."""
        until = time.monotonic() + self.server.seconds
        for pause in BACKOFF_SECONDS:
            try:
                return ask()
            except Lost as lost:
                if not lost.again or time.monotonic() + pause > until:
                    raise
            time.sleep(pause)
        return ask()

    def _started(self) -> Started:
        with self._changing:
            if self._running is not None:
                return self._running
            transport = self._new_transport()
            background().keep(transport)
            client = Client(
                transport, init_timeout=self.server.seconds, log_handler=_ignore, elicitation_handler=_decline
            )
            try:
                found = background().run(MCPAdapter(client).list_tools(), self.server.seconds)
            except Exception as error:  # of asyncio, the system and two libraries
                background().end(transport)
                away = self.server.url is not None and _is_unconnected(error)
                raise self._failure("tools", error, again=away) from error
            tools = {tool.name: tool for tool in found if isinstance(tool, StructuredTool)}
            self._running = Started(transport, client, tools)
            return self._running

    def _called(self, name: str, arguments: dict[str, Any]) -> Result:
        running, what = self._started(), f"a result from {printable(name)}"
        tool, connected = running.tools[name], threading.Event()

        async def call() -> Any:
            async with running.client:  # the tool enters it too; here it tells what failed before the call was sent
                connected.set()
                return await tool.coroutine(**arguments)  # type: ignore[misc]

        try:
            blocks, artifact = background().run(call(), self.server.seconds)
        except ToolException as error:
            said = f"an error, in its words: {self._quoted(reason(error))}"
            raise BakeoffError(f"{what} of {self._name}", said, "ask in another way") from error
        except Exception as error:  # of asyncio, the system and two libraries
            self._give_up(running)
            harmless = _may_be_repeated(tool) if connected.is_set() else _is_unconnected(error)
            raise self._failure(what, error, again=harmless and not isinstance(error, TimeoutError)) from error
        return blocks, (artifact or {}).get("structured_content")

    def _give_up(self, running: Started) -> None:
        """End a server that hangs or has died, unless another call has done so; the next call starts it anew."""
        with self._changing:
            if self._running is running:
                background().end(running.transport)
                self._running = None

    def _new_transport(self) -> Transport:
        server = self.server
        if server.url is not None:
            return StreamableHttpTransport(server.url, headers=server.headers)
        assert server.command is not None
        self._log.parent.mkdir(parents=True, exist_ok=True)
        # The library hands on PATH, HOME and their like, and beyond them only what `env` names.
        return StdioTransport(server.command, list(server.args), dict(server.env), str(server.cwd), log_file=self._log)

    @property
    def _name(self) -> str:
        return f"MCP server {printable(self.server.name)}"

    def _failure(self, what: str, error: Exception, again: bool) -> Lost:
        """Return the error to show."""
        if isinstance(error, TimeoutError):
            got = f"no answer within {self.server.seconds:g} s"
        else:
            got = self._quoted(reason(error).removeprefix("Client failed to connect: ")) or type(error).__name__
            got += self._last_line()
        entry = "url and headers" if self.server.url else "command"
        lost = Lost(f"{what} of {self._name}", got, f"check its {entry} in mcp.json")
        lost.again = again
        return lost

    def _last_line(self) -> str:
        """Return the last line that the server printed to its log, if there is one, in words."""
        if not self._log.exists():
            return ""
        with self._log.open("rb") as file:
            file.seek(max(0, self._log.stat().st_size - TAIL_BYTES))
            lines = file.read().decode(errors="replace").strip().splitlines()
        last = self._quoted(lines[-1].strip()[:LONGEST]) if lines else ""
        return f"; the last that it printed, in {self._log}: {last}" if last else ""

    def _quoted(self, text: str) -> str:
        """Return words of the server without what its entry keeps secret, and without control characters."""
        for secret in self.server.secrets:
            text = text.replace(secret, "…")
        return printable(text)


def _is_unconnected(error: Exception) -> bool:
    """Say whether no connection came about; an answer that refuses one is an error of another kind in fastmcp."""
    return isinstance(error, RuntimeError)


def _may_be_repeated(tool: StructuredTool) -> bool:
    """Say whether a tool calls itself one that only reads, or that does the same called twice."""
    hints = (tool.metadata or {}).get("mcp", {}).get("tool", {}).get("annotations", {})
    return bool(hints.get("read_only_hint") or hints.get("idempotent_hint"))


async def _ignore(message: object) -> None:
    """Let what a server logs pass: it is no part of any answer."""


async def _decline(*question: object) -> ElicitResult:
    """Answer no server's questions: what the user types goes to the agent, not to whoever asks for it."""
    return ElicitResult(action="decline")


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
