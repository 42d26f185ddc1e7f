"""Web pages, fetched by a client that cannot be turned on the network it runs in."""

import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from lab.errors import BakeoffError
from lab.settings import settings
from rag.reading.kinds import WRITTEN, kind_of, suffix_of
from rag.reading.origins import checked_address
from rag.reading.unreadable import Unreadable

if TYPE_CHECKING:
    import httpx

USER_AGENT = "bakeoff/0.1 (an LLM agent lab; httpx)"
LARGEST_PAGE_MB = 20  # unpacked
LONGEST_SECONDS = 60.0  # from the first question to the name server to the last byte
MOST_REDIRECTS = 5
# Other compressions unpack a thousand times further before a program sees how much it was.
ENCODINGS = ("", "identity", "gzip", "deflate")


@contextmanager
def downloaded(address: str) -> Iterator[Path]:
    """Yield a file with what `address` answers, its suffix by the content type, written text in UTF-8.

    Every address that a host's name resolves to is checked before the connection to it, at each redirect again, unless
    the setting `allowed_hosts` names the host. Proxies and passwords that the environment may name are not used, for a
    proxy resolves names itself.

    Raises:
        Unreadable: it may not be visited, does not answer, or answers with an error, too much, too slowly, or with
            something there is no reader for.
    """
    try:
        checked_address(address)
    except BakeoffError as error:
        raise Unreadable(f"not {error.expected}") from None
    suffix, content = _within(LONGEST_SECONDS, lambda: _fetch(address, time.monotonic() + LONGEST_SECONDS))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"page{suffix}"
        file.write_bytes(content)
        yield file


def _within(seconds: float, work: Callable[[], tuple[str, bytes]]) -> tuple[str, bytes]:
    """Return the result of `work`, or give up: a server can drip bytes for days, and a name server hang."""
    future: Future[tuple[str, bytes]] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError:
        raise Unreadable(f"takes longer than {seconds:g} s to load") from None


def _fetch(address: str, deadline: float) -> tuple[str, bytes]:
    """Return the suffix of what an address answers, and its bytes."""
    import httpx
    from langchain_core._security import SSRFBlockedError

    try:
        with _client() as client, client.stream("GET", address) as response:
            suffix = _suffix(response)
            return suffix, _utf8(_body(response, deadline), suffix, response.charset_encoding)
    except SSRFBlockedError as error:
        if error.reason.startswith("DNS"):
            raise Unreadable("no such host") from None
        raise Unreadable(f"refused: {error.reason}; to allow it, name its host in BAKEOFF_ALLOWED_HOSTS") from None
    except httpx.TooManyRedirects:
        raise Unreadable(f"redirected more than {MOST_REDIRECTS} times") from None
    except httpx.TimeoutException:
        raise Unreadable("no answer in time") from None
    except httpx.DecodingError:
        raise Unreadable("its compression is broken") from None
    except (httpx.InvalidURL, UnicodeError):
        raise Unreadable("no web address") from None
    except (httpx.HTTPError, OSError) as error:
        raise Unreadable(f"no connection ({type(error).__name__})") from None


def _client() -> "httpx.Client":
    import httpx

    from rag.reading.guard import GuardedTransport

    return httpx.Client(
        transport=GuardedTransport(settings().allowed_hosts),
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate"},
        timeout=settings().timeout_seconds,
        follow_redirects=True,
        max_redirects=MOST_REDIRECTS,
        trust_env=False,
    )


def _suffix(response: "httpx.Response") -> str:
    if response.status_code != 200:
        raise Unreadable(f"HTTP {response.status_code}")
    content_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    suffix = suffix_of(content_type, response.url.path)
    if suffix is None:
        raise Unreadable(f"no reader for the content type '{content_type[:60]}'")
    return suffix


def _body(response: "httpx.Response", deadline: float) -> bytes:
    """Return the unpacked body, read no further than it may be long."""
    if response.headers.get("Content-Encoding", "").strip().lower() not in ENCODINGS:
        raise Unreadable("packed in a way that was not asked for")
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > LARGEST_PAGE_MB * 1_000_000:
            raise Unreadable(f"larger than {LARGEST_PAGE_MB} MB")
        if time.monotonic() > deadline:
            raise Unreadable(f"takes longer than {LONGEST_SECONDS:g} s to load")
    return bytes(body)


def _utf8(body: bytes, suffix: str, charset: str | None) -> bytes:
    """Return text in UTF-8 instead of the charset its server names."""
    if charset and (kind_of(suffix) in WRITTEN or kind_of(suffix) == "html"):
        try:
            return body.decode(charset).encode("utf-8")
        except (LookupError, UnicodeError):
            return body
    return body
