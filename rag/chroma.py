"""Chroma's clients, embedded and of a server, and its failures as one clear line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from lab.errors import BakeoffError
from lab.redact import reason
from lab.settings import settings

if TYPE_CHECKING:
    from chromadb.api import ClientAPI

API = "api/v2"  # of Chroma servers from 0.6 on
PROBE_SECONDS = 5.0


def open_embedded(folder: Path) -> "ClientAPI":
    """Open the database in `folder`, which is made if need be.

    Raises:
        BakeoffError: what is there is no database of Chroma's.
    """
    import chromadb
    from chromadb.config import Settings

    folder.mkdir(parents=True, exist_ok=True)
    return chromadb.PersistentClient(str(folder), Settings(anonymized_telemetry=False))


def open_server(url: str) -> "ClientAPI":
    """Open the database behind a Chroma server, with the token of the settings if there is one.

    Raises:
        BakeoffError: nobody answers there, the token is wrong, or it is another server or another version.
    """
    import chromadb
    from chromadb.config import Settings

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        got = "one with a password in it" if "@" in parts.netloc else f"'{url}'"
        raise BakeoffError("a Chroma server's address (http://HOST:PORT)", got, "correct BAKEOFF_CHROMA_URL")
    token = settings().chroma_token
    headers = {"Authorization": f"Bearer {token.get_secret_value()}"} if token else None
    _probe(url, headers)
    is_secure = parts.scheme == "https"
    return chromadb.HttpClient(
        parts.hostname,
        parts.port or (443 if is_secure else 80),
        ssl=is_secure,
        headers=headers,
        settings=Settings(anonymized_telemetry=False),
    )


@contextmanager
def clear_failures(where: object) -> Iterator[None]:
    """Turn what Chroma and its connection raise into one line that names `where` the database is.

    Raises:
        LookupError: there is no such collection.
        BakeoffError: the server is gone, or the database on disk is broken.
    """
    import httpx
    from chromadb.errors import ChromaError, NotFoundError

    try:
        yield
    except NotFoundError as error:
        raise LookupError(str(error)) from None
    except (httpx.HTTPError, ConnectionError) as error:
        raise _unreachable(str(where), reason(error)) from None
    except ChromaError as error:
        raise _known_failure(str(where), str(error)) or error from None


def _probe(url: str, headers: dict[str, str] | None) -> None:
    """Ask who we are, which needs a token where anything does; Chroma's own client takes every refusal for another."""
    import httpx

    try:
        answer = httpx.get(f"{url.rstrip('/')}/{API}/auth/identity", headers=headers, timeout=PROBE_SECONDS)
    except httpx.HTTPError as error:
        raise _unreachable(url, reason(error)) from None
    if answer.status_code in (401, 403):
        raise BakeoffError(f"a token that {url} takes", f"HTTP {answer.status_code}", "correct BAKEOFF_CHROMA_TOKEN")
    if answer.status_code != 200 or "tenant" not in answer.text:
        fix = "check BAKEOFF_CHROMA_URL, or update the server: pip install 'chromadb>=1.0'"
        raise BakeoffError(f"a Chroma server with {API} at {url}", f"HTTP {answer.status_code}", fix)


def _known_failure(where: str, message: str) -> BakeoffError | None:
    if "not a database" in message or "malformed" in message:
        return BakeoffError(f"a database of Chroma's in {where}", message, "delete that folder and fill the index anew")
    return None


def _unreachable(url: str, why: str) -> BakeoffError:
    fix = "start it (chroma run), correct BAKEOFF_CHROMA_URL, or leave that out for the embedded Chroma"
    return BakeoffError(f"a Chroma server at {url}", why, fix)
