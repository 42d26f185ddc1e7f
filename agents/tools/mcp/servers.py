"""Which MCP servers there are: named in the user's own mcp.json, and in the current folder's once it is trusted."""

import json
import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from agents.tools.mcp.trust import VARIABLE, is_trusted, project_files, user_folder
from lab.settings import Settings, settings

SHORTEST_SECRET = 6  # characters; shorter values are words of the language


class Server(BaseModel):
    """One entry of `mcpServers`: a command to start, or the address of a server that runs."""

    model_config = ConfigDict(frozen=True, coerce_numbers_to_str=True)

    name: str
    command: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    cwd: Path = Path()
    url: str | None = Field(default=None, pattern=r"^https?://")
    headers: dict[str, str] = {}
    type: str | None = None
    allow: tuple[str, ...] | None = Field(default=None, validation_alias=AliasChoices("allow", "allowedTools"))
    timeout: float | None = Field(default=None, gt=0)
    disabled: bool = False

    @model_validator(mode="after")
    def _has_one_way_in(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise ValueError("a server has either a command or a url")
        if self.type == "sse":
            raise ValueError("of the ways over HTTP only streamable HTTP is spoken, which has replaced sse")
        return self

    @property
    def seconds(self) -> float:
        """Return how long it may take to start, and for a call; its own `timeout` is in milliseconds."""
        return settings().timeout_seconds if self.timeout is None else self.timeout / 1000

    @property
    def words(self) -> str:
        """Return what is started or called, as the user judges it."""
        return self.url or " ".join([self.command or "", *self.args])

    @property
    def secrets(self) -> list[str]:
        """Return what must not be quoted: the values that its file sets, and what an address may hide."""
        address = urlsplit(self.url or "")
        hidden = [*self.env.values(), *self.headers.values(), address.query, address.password or ""]
        return [value for value in hidden if len(value) >= SHORTEST_SECRET]


@dataclass
class Servers:
    """The servers to start, by name, and the reason for each that is not."""

    found: dict[str, Server] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def configured_servers() -> Servers:
    """Return the servers of the user's own mcp.json and of the project's; on the same name the project's counts."""
    servers, own = Servers(), user_folder() / "mcp.json"
    if own.is_file():
        _add(servers, own, own.read_bytes(), Path.home(), refused=set())
    for path in project_files():
        content = path.read_bytes()
        if is_trusted(path, content):
            _add(servers, path, content, path.parent, refused=own_keys())
        else:
            servers.missing[str(path)] = (
                f"the servers in {path.name} were not started: it is new or was changed; look at it, then:"
                " bakeoff tools trust"
            )
    return servers


def own_keys() -> set[str]:
    """Return the environment variables that hold Bakeoff's own secrets; a project's file cannot ask for them."""
    names: set[str] = set()
    for name, setting in Settings.model_fields.items():
        if SecretStr in getattr(setting.annotation, "__args__", ()):
            names |= {name.upper(), f"BAKEOFF_{name.upper()}"}
    return names


def _add(servers: Servers, path: Path, content: bytes, folder: Path, refused: Collection[str]) -> None:
    """Read one file's servers, which start in `folder`; what is wrong with one of them is its reason to be missing."""
    try:
        entries = json.loads(content)["mcpServers"].items()
    except (ValueError, KeyError, TypeError, AttributeError):
        servers.missing[str(path)] = f'{path} names no MCP servers: it wants to be {{"mcpServers": {{…}}}}'
        return
    for name, entry in entries:
        if _is_bakeoff(entry):
            continue
        try:
            server = Server.model_validate(_expanded(entry, refused) | {"name": name})
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            servers.missing[name] = f"MCP server {name}: {place or path.name}: {first['msg']}"
        except (LookupError, TypeError) as error:
            servers.missing[name] = f"MCP server {name}: {error.args[0]}"
        else:
            if not server.disabled:
                servers.found[name] = server.model_copy(update={"cwd": folder / server.cwd})


def _is_bakeoff(entry: Any) -> bool:
    """Say whether an entry is this program as a server for others: its tools are the agent's already."""
    return isinstance(entry, dict) and Path(str(entry.get("command"))).stem == "bakeoff"


def _expanded(value: Any, refused: Collection[str]) -> Any:
    """Return a part of an entry with ${NAME} and ${NAME:-default} replaced from the environment.

    Raises:
        LookupError: a variable is not set, or holds a key of Bakeoff's own that may not be given away.
    """
    if isinstance(value, dict):
        return {name: _expanded(part, refused) for name, part in value.items()}
    if isinstance(value, list):
        return [_expanded(part, refused) for part in value]
    return VARIABLE.sub(lambda found: _variable(found, refused), value) if isinstance(value, str) else value


def _variable(found: re.Match[str], refused: Collection[str]) -> str:
    name, default = found[1], found[2]
    if name in refused:
        raise LookupError(f"it asks for {name}, which a project's file does not get; your own mcp.json may use it")
    value = os.environ.get(name, default)
    if value is None:
        raise LookupError(f"it needs {name} in the environment")
    return value
