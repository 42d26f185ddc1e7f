"""One MCP server: started, asked, given up when it does not answer, started anew at the next call."""

import asyncio
import atexit
import threading
from collections.abc import Awaitable, Coroutine
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
CLOSING_SECONDS = 8.0  # a server that ignores the end of its input is terminated after 2 s, and killed after 4
LATE_SECONDS = 5.0  # for what is given up to be cleared away
TAIL_BYTES = 4096
_STARTING = threading.Lock()


class Background:
    """An event loop in a thread of its own, for all servers: their library is asynchronous, the graph is not."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="mcp", daemon=True).start()
        self._open: list[Connection] = []
        atexit.register(self.close)

    def keep(self, connection: "Connection") -> None:
        """Remember a connection that must be closed in the end."""
        self._open.append(connection)

    def run(self, work: Awaitable[T], seconds: float) -> T:
        """Wait for `work`, which is given up after `seconds`.

        Raises:
            TimeoutError: it was given up.
        """
        waiting = asyncio.wait_for(work, seconds)
        return asyncio.run_coroutine_threadsafe(waiting, self._loop).result(seconds + LATE_SECONDS)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin `work` and go on."""
        asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """End every server that was started."""
        closing, self._open = self._open, []

        async def close_all() -> None:
            await asyncio.gather(*(connection.close() for connection in closing), return_exceptions=True)

        if closing:
            self.run(close_all(), CLOSING_SECONDS)


def background() -> Background:
    """Return the process's one background loop."""
    with _STARTING:  # servers are started side by side, and a connection lives in the loop that started it
        return _background()


@cache
def _background() -> Background:
    return Background()


class Connection:
    """A server, and what langchain makes of its tools."""

    def __init__(self, server: Server) -> None:
        """Prepare; nothing is started yet."""
        self.server = server
        self._log = (Workspace.current().home / "mcp" / f"{_file_name(server.name)}.log").resolve()
        self._transport = self._new_transport()
        self._client: Client[Any] = Client(
            self._transport,
            init_timeout=server.seconds,
            log_handler=_ignore,
            elicitation_handler=_decline,
        )
        background().keep(self)

    def tools(self) -> dict[str, StructuredTool]:
        """Start the server and return its tools, by the names it gives them.

        Raises:
            BakeoffError: it cannot be started, does not answer in time, or talks nonsense.
        """
        try:
            found = background().run(MCPAdapter(self._client).list_tools(), self.server.seconds)
        except Exception as error:  # of asyncio, the system and two libraries
            raise self._failure("tools", error) from error
        return {tool.name: tool for tool in found if isinstance(tool, StructuredTool)}

    def call(self, tool: StructuredTool, arguments: dict[str, Any]) -> Result:
        """Return what a tool answers: its content blocks, and its structured content or None.

        Raises:
            BakeoffError: it reports an error, does not answer in time, or its server ended.
        """
        assert tool.coroutine is not None
        what = f"a result from {printable(tool.name)}"
        try:
            work: Awaitable[Result] = tool.coroutine(**arguments)
            blocks, artifact = background().run(work, self.server.seconds)
        except ToolException as error:
            said = f"an error, in its words: {self._quoted(reason(error))}"
            raise BakeoffError(f"{what} of {self._name}", said, "ask in another way") from error
        except Exception as error:  # of asyncio, the system and two libraries
            raise self._failure(what, error) from error
        return blocks, (artifact or {}).get("structured_content")

    async def close(self) -> None:
        """End the server, if it was started here; a call starts it anew."""
        await self._transport.close()  # type: ignore[no-untyped-call]

    def _new_transport(self) -> StdioTransport | StreamableHttpTransport:
        server = self.server
        if server.url is not None:
            return StreamableHttpTransport(server.url, headers=server.headers)
        assert server.command is not None
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._log.unlink(missing_ok=True)
        # The library hands on PATH, HOME and their like, and beyond them only what `env` names.
        return StdioTransport(server.command, list(server.args), dict(server.env), str(server.cwd), log_file=self._log)

    @property
    def _name(self) -> str:
        return f"MCP server {printable(self.server.name)}"

    def _failure(self, what: str, error: Exception) -> BakeoffError:
        """Close what hangs or has died, and return the error to show."""
        background().start(self.close())
        if isinstance(error, TimeoutError):
            got = f"no answer within {self.server.seconds:g} s"
        else:
            got = self._quoted(reason(error).removeprefix("Client failed to connect: ")) or type(error).__name__
            got += self._last_line()
        return BakeoffError(f"{what} of {self._name}", got, "check its entry in mcp.json")

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


async def _ignore(message: object) -> None:
    """Let what a server logs pass: it is no part of any answer."""


async def _decline(*question: object) -> ElicitResult:
    """Answer no server's questions: what the user types goes to the agent, not to whoever asks for it."""
    return ElicitResult(action="decline")


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)
