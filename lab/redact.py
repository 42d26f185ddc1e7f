"""Secrets taken out of what is shown or kept: providers' errors echo what they were sent, and users paste keys."""

import os
import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

from lab.settings import settings

LONGEST = 200
SECRET_NAME = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|API_?KEY|ACCESS_?KEY|_(KEY|PWD|PASS)$")
PLACE = re.compile(r"_(FILE|PATH|DIR|DIRECTORY|URL|URI|NAME)$")  # tells where a secret is, and is none
LEAST = 8  # characters of a secret in the environment; a shorter one would blot out ordinary words


def reason(error: BaseException) -> str:
    """Return the first line of an error, cut at 200 characters, every secret masked."""
    lines = str(error).strip().splitlines()
    return redacted(lines[0] if lines else type(error).__name__)[:LONGEST]


def redacted(text: str) -> str:
    """Return `text` with every secret that this process knows shown as "…"."""
    for secret in secrets():
        text = text.replace(secret, "…")
    return text


def redacted_document(document: Any) -> Any:
    """Return a JSON document with the secrets taken out of all its texts."""
    if isinstance(document, str):
        return redacted(document)
    if isinstance(document, dict):
        return {redacted_document(name): redacted_document(value) for name, value in document.items()}
    if isinstance(document, (list, tuple)):
        return [redacted_document(value) for value in document]
    return document


def secrets() -> list[str]:
    """Return the secrets of the settings and of the environment, the longest first: one may hold another."""
    return sorted({secret for secret in _known() if secret}, key=len, reverse=True)


def _known() -> Iterator[str]:
    for value in settings().__dict__.values():
        if isinstance(value, SecretStr):
            yield value.get_secret_value()
            yield from _password(value.get_secret_value())
    for name, text in os.environ.items():
        if _is_secret(name.upper()) and len(text) >= LEAST:
            yield text


@cache
def _is_secret(name: str) -> bool:
    """Say whether an environment variable of this name holds a secret, by the customs of those who name them."""
    return bool(SECRET_NAME.search(name)) and not PLACE.search(name)


def _password(url: str) -> Iterator[str]:
    """Yield the password of an address, as it is written and as it is meant."""
    try:
        written = urlsplit(url).password
    except ValueError:
        return
    if written:
        yield from (written, unquote(written))
