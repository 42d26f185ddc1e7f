"""A port to serve on, of this machine alone unless the user says otherwise."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from lab.errors import BakeoffError

HOST = "127.0.0.1"


@contextmanager
def listening(port: int, host: str = HOST) -> Iterator[socket.socket]:
    """Yield a socket that listens on `port`, 0 for a free one; who comes before its server is ready waits.

    Raises:
        BakeoffError: the port is taken, or the host is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as opened:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind((host, port))
            opened.listen()
        except OSError as error:
            fix = "choose another with --port"
            raise BakeoffError(f"port {port} on {host}", str(error.strerror or error), fix) from error
        yield opened
