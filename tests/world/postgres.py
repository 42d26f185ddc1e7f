"""A real PostgreSQL on 127.0.0.1, made for the test and gone with it.

with PostgresServer() as postgres:
    engine = sqlalchemy.create_engine(postgres.url)
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Self

_USER = "bakeoff"
_INSTALLED = Path("/usr/lib/postgresql")  # where Debian keeps them, off the PATH, a folder for each version
_NO_SAFETY = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off"  # the data need not outlive a crash


class PostgresServer:
    """One user, who has a password, and the database `postgres`; it lives as long as its `with` block."""

    def __init__(self) -> None:
        """Choose a password; there is no port and no data before `start`."""
        self._password = secrets.token_urlsafe(12)
        self._port = 0
        self._home: Path | None = None

    @property
    def url(self) -> str:
        """The address to give to SQLAlchemy, which speaks through psycopg 3."""
        return f"postgresql+psycopg://{self._login}"

    @property
    def dsn(self) -> str:
        """The address to give to psycopg itself."""
        return f"postgresql://{self._login}"

    @property
    def _login(self) -> str:
        return f"{_USER}:{self._password}@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Make the data and wait until the server answers."""
        # Not pytest's folder: that is root's alone where root runs the tests, and too long a path for a socket.
        self._home = Path(tempfile.mkdtemp(prefix="postgres-", dir="/tmp"))
        try:
            self._initialise(self._home)
            self._port = _free_port()
            options = f"-p {self._port} -c listen_addresses=127.0.0.1 -k {self._home} {_NO_SAFETY}"
            _run(self._home, "pg_ctl", "start", "-w", "-D", "data", "-l", "log", "-o", options)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server, its clients' conversations included, and remove its data."""
        if self._home is None:
            return
        home, self._home = self._home, None
        try:
            if (home / "data" / "postmaster.pid").exists():
                _run(home, "pg_ctl", "stop", "-m", "immediate", "-D", "data")
        finally:
            shutil.rmtree(home)

    def _initialise(self, home: Path) -> None:
        password = home / "password"
        password.write_text(self._password)
        if (user := _unprivileged()) is not None:
            shutil.chown(home, user)
            shutil.chown(password, user)
        login = ["--username", _USER, "--pwfile", "password", "--auth", "scram-sha-256"]
        _run(home, "initdb", "-D", "data", *login, "--no-sync", "--locale", "C", "--encoding", "UTF8")

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()


def _run(home: Path, program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs in its home; its complaints, and the server's, become the error."""
    user = _unprivileged()
    groups: list[int] | None = None if user is None else []
    command = [str(_binaries() / program), *arguments]
    # The server that pg_ctl leaves behind would hold a pipe open for ever; a file it may keep.
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(
            command,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            user=user,
            group=user,
            extra_groups=groups,
        )
        if done.returncode:
            said.seek(0)
            log = home / "log"
            raise RuntimeError(f"{program} failed\n{said.read()}{log.read_text() if log.exists() else ''}")


def _unprivileged() -> str | None:
    """The user to run as: PostgreSQL refuses to run as root, and Debian's package brings a user for it."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        raise FileNotFoundError("no user postgres, as whom root could run it: apt-get install postgresql") from None


def _binaries() -> Path:
    """The folder of initdb and pg_ctl."""
    if (on_path := shutil.which("initdb")) and shutil.which("pg_ctl"):
        return Path(on_path).parent
    versions = sorted(_INSTALLED.glob("*/bin/initdb"), key=lambda found: float(found.parts[-3]))
    if not versions:
        raise FileNotFoundError("no PostgreSQL on PATH or in /usr/lib/postgresql: apt-get install postgresql")
    return versions[-1].parent


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
