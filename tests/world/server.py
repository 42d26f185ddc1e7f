"""The ground every service stands on: one HTTP server that records, answers, and fails when told to."""

from __future__ import annotations

import enum
import http.client
import itertools
import json
import socket
import socketserver
import sys
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler
from typing import Any, ClassVar, Self
from urllib.parse import parse_qsl, urlsplit

_HOP_BY_HOP = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}


class Fault(enum.Enum):
    """One way in which a service can fail its client."""

    RATE_LIMIT = "refuses with 429 and says when to come back"
    PLAN_LIMIT = "refuses, for the plan's allowance is spent"
    PAYGO_LIMIT = "refuses, for the pay-as-you-go allowance is spent"
    FORBIDDEN = "refuses with 403"
    API_ERROR = "answers 200 with an error object in place of the result"
    SERVER_ERROR = "breaks down with 500 and a page of HTML"
    UNAVAILABLE = "is away, with 503 and a page of HTML"
    MALFORMED = "answers, but with half of its text"
    DISCONNECT = "hangs up in the middle of the body"
    SILENCE = "accepts the request and says nothing"
    REDIRECT = "sends the client to the same address once more"


_MISBEHAVIOURS = {Fault.MALFORMED, Fault.DISCONNECT, Fault.SILENCE, Fault.REDIRECT}
_COME_BACK_LATER = {Fault.RATE_LIMIT, Fault.UNAVAILABLE}


@dataclass(frozen=True)
class Request:
    """What one client asked: header names in lower case, the target as it stood on the wire."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters, empty ones included."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def json(self) -> Any:
        """The body read as JSON, or None where there is none to read."""
        with suppress(ValueError):
            return json.loads(self.body)
        return None


@dataclass(frozen=True)
class Answer:
    """What a service says: bytes go out whole, an iterable goes out in chunks.

    `promised` is the length the header announces, where that is more than the body will keep.
    """

    body: bytes | Iterable[bytes] = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    promised: int | None = None

    @classmethod
    def json(cls, data: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        """Say `data` as JSON."""
        kind = {"Content-Type": "application/json; charset=utf-8"}
        return cls(json.dumps(data).encode(), status, kind | dict(headers or {}))

    @classmethod
    def text(cls, words: str, status: int, kind: str = "text/plain") -> Answer:
        """Say plain words, or a page of HTML."""
        return cls(words.encode(), status, {"Content-Type": f"{kind}; charset=utf-8"})

    @classmethod
    def page(cls, status: int) -> Answer:
        """Say `status` the way a gateway does, in HTML."""
        title = f"{status} {http.client.responses[status]}"
        body = f"<html><head><title>{title}</title></head><body><center><h1>{title}</h1></center></body></html>"
        return cls.text(body, status, "text/html")

    def whole(self) -> bytes:
        """The body in one piece."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)

    def halved(self) -> Answer:
        """The same answer with half of its body, as if that were all."""
        body = self.whole()
        return replace(self, body=body[: len(body) // 2])

    def broken_off(self) -> Answer:
        """The same answer with half of its body, where the header promised all of it."""
        body = self.whole()
        return replace(self, body=body[: len(body) // 2], promised=len(body))

    def with_header(self, name: str, value: str) -> Answer:
        """The same answer with one header more."""
        return replace(self, headers={**self.headers, name: value})


class Server:
    """A service on 127.0.0.1 that lives as long as its `with` block.

    A subclass gives `answer`, the words of its `refusals`, and the `path` its clients are told.
    """

    path: ClassVar[str] = ""
    refusals: ClassVar[Mapping[Fault, Answer]] = {
        Fault.RATE_LIMIT: Answer.page(429),
        Fault.FORBIDDEN: Answer.page(403),
        Fault.SERVER_ERROR: Answer.page(500),
        Fault.UNAVAILABLE: Answer.page(503),
    }

    def __init__(self) -> None:
        """Take a free port; nobody is served before `start`."""
        self.requests: list[Request] = []
        self._faults: deque[tuple[Fault, int | str | None]] = deque()
        self._listener = _Listener(self)
        self._thread = threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host, port = self._listener.server_address[:2]
        return f"http://{host!s}:{port}"

    @property
    def url(self) -> str:
        """The address to give to the service's client."""
        return self.origin + self.path

    def fail_next(self, fault: Fault, times: int = 1, retry_after: int | str | None = 1) -> None:
        """Let the next answers fail; calls queue up, and requests use them up in order.

        Args:
            fault: How to fail.
            times: How many answers fail that way.
            retry_after: The Retry-After header of RATE_LIMIT and UNAVAILABLE: seconds, an HTTP date, or None.

        Raises:
            ValueError: This service does not fail in that way.
        """
        if fault not in _MISBEHAVIOURS and fault not in self.refusals:
            raise ValueError(f"{type(self).__name__} never {fault.value}")
        self._faults.extend(itertools.repeat((fault, retry_after), times))

    def recover(self) -> None:
        """Forget the failures still to come."""
        self._faults.clear()

    def answer(self, request: Request) -> Answer:
        """Answer as the service does on a good day."""
        raise NotImplementedError

    def respond(self, request: Request) -> Answer | None:
        """Answer, or fail if a fault is due; None is silence."""
        self.requests.append(request)
        fault, retry_after = self._faults.popleft() if self._faults else (None, None)
        match fault:
            case None:
                return self.answer(request)
            case Fault.SILENCE:
                return None
            case Fault.MALFORMED:
                return self.answer(request).halved()
            case Fault.DISCONNECT:
                return self.answer(request).broken_off()
            case Fault.REDIRECT:
                status = 302 if request.method == "GET" else 307
                return Answer(status=status, headers={"Location": self.origin + request.target})
        refusal = self.refusals[fault]
        if fault in _COME_BACK_LATER and retry_after is not None:
            return refusal.with_header("Retry-After", str(retry_after))
        return refusal

    def start(self) -> None:
        """Begin to serve, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and hang up on every client, the silent conversations included."""
        if self._thread.is_alive():
            self._listener.shutdown()
            self._thread.join()
        self._listener.hang_up()
        self._listener.server_close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()


class FaultyProxy(Server):
    """Another server, reached through this one: chunk by chunk, unless a fault is due."""

    def __init__(self, target_url: str) -> None:
        """Stand before a server.

        Args:
            target_url: Where the true server listens; only its host and port count.
        """
        super().__init__()
        self.target_url = target_url

    def answer(self, request: Request) -> Answer:
        """Pass the request on, and the answer back."""
        connection = http.client.HTTPConnection(urlsplit(self.target_url).netloc)
        try:
            connection.request(request.method, request.target, request.body, _end_to_end(request.headers))
            response = connection.getresponse()
        except OSError:
            connection.close()
            return Answer.page(502)
        body = _chunks(connection, response)
        whole = body if response.length is None else b"".join(body)
        return Answer(whole, response.status, _end_to_end(dict(response.getheaders())))


def _end_to_end(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}


def _chunks(connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while chunk := response.read1(65536):
            yield chunk
    finally:
        connection.close()


class _Listener(socketserver.ThreadingTCPServer):
    """The socket, a thread per client, and the memory of who is on the line."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, service: Server) -> None:
        self.service = service
        self._clients: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        request.settimeout(None)  # whatever the tests make the default
        self._clients.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._clients.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        for client in tuple(self._clients):
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    """One client's conversation, kept alive from request to request as real services do."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _serve(self) -> None:
        assert isinstance(self.server, _Listener)
        answer = self.server.service.respond(self._read())
        if answer is None:
            self._say_nothing()
        else:
            self._say(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve

    def _read(self) -> Request:
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        return Request(self.command, self.path, headers, body)

    def _say(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if isinstance(answer.body, bytes):
            self._say_whole(answer.body, answer.promised)
        else:
            self._say_in_chunks(answer.body)

    def _say_whole(self, body: bytes, promised: int | None) -> None:
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = promised is not None or self.close_connection

    def _say_in_chunks(self, chunks: Iterable[bytes]) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for chunk in itertools.chain(chunks, [b""]):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))

    def _say_nothing(self) -> None:
        """Wait until either side hangs up; only then is there an end to read."""
        with suppress(OSError):
            while self.connection.recv(4096):
                pass
        self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the tests' output quiet."""
