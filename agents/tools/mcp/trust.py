"""A project's mcp.json starts commands on this machine: it is asked for once, and again whenever its text changes."""

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import platformdirs

from lab.console import Console
from lab.workspace import write_json

PROJECT_FILES = ("mcp.json", ".mcp.json")
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")  # ${NAME} and ${NAME:-default}, as in Claude Code's files


def user_folder() -> Path:
    """Return the folder of what is the user's own, in every project: mcp.json and the memory of trust."""
    return platformdirs.user_config_path("bakeoff")


def project_files() -> list[Path]:
    """Return the files of the current folder that name MCP servers."""
    return [Path(name).resolve() for name in PROJECT_FILES if Path(name).is_file()]


def is_trusted(path: Path, content: bytes) -> bool:
    """Say whether the user has trusted this file, at this place, with exactly this content."""
    return _remembered().get(str(path)) == _hash(content)


def trust(path: Path, content: bytes) -> None:
    """Remember that this file may start its servers as long as it stays as it is."""
    write_json(_memory(), _remembered() | {str(path): _hash(content)})


def distrust(path: Path) -> None:
    """Forget that this file was trusted."""
    write_json(_memory(), {known: content for known, content in _remembered().items() if known != str(path)})


def confirm_project() -> None:
    """Ask at the terminal about each of the current folder's files that is not trusted; elsewhere, ask nothing."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    console = Console()
    for path in project_files():
        content = path.read_bytes()
        if is_trusted(path, content):
            continue
        console.warn(f"{path} wants to start MCP servers:")
        for line in described(content):
            console.note(line)
        console.note("Trust this file, as it is now? [y/N]")
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            trust(path, content)


def described(content: bytes) -> list[str]:
    """Return one line per server that a file names: the command or the address as it stands there, and its effects."""
    try:
        servers = json.loads(content)["mcpServers"]
        return [f"  {name}: {_words(entry)}" for name, entry in servers.items()]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ['  (no servers: it wants to be {"mcpServers": {…}})']


def _words(entry: dict[str, Any]) -> str:
    """Return what an entry runs, and what else tells whether to trust it; values may be secret, and are not shown."""
    arguments = entry.get("args")
    parts = [entry.get("url") or entry.get("command"), *(arguments if isinstance(arguments, list) else [])]
    given = dict.fromkeys(found[1] for found in VARIABLE.finditer(json.dumps(entry)))
    effects = [
        f"{what} {', '.join(names)}"
        for what, names in [
            ("sets", entry.get("env")),
            ("sends the headers", entry.get("headers")),
            ("is given your", given),
            ("starts in", [str(entry["cwd"])] if entry.get("cwd") else []),
        ]
        if isinstance(names, (dict, list)) and names
    ]
    return " ".join(map(str, parts)) + (f"  ({'; '.join(effects)})" if effects else "")


def _memory() -> Path:
    return user_folder() / "trusted.json"


def _remembered() -> dict[str, str]:
    """Return the hash of each trusted file; a memory that cannot be read trusts nothing."""
    try:
        known = json.loads(_memory().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
