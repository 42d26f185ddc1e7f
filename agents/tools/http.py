"""A polite HTTP session for the tools: time-outs always, a few retries, Retry-After honoured."""

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from lab.settings import settings

USER_AGENT = "bakeoff/0.1 (an LLM agent lab; python-requests)"
RETRIES, LONGEST_WAIT_SECONDS, CONNECT_SECONDS = 2, 10, 5


class _TimedAdapter(HTTPAdapter):
    """Gives every request a time-out, which requests itself does not."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = (CONNECT_SECONDS, settings().timeout_seconds)
        return super().send(request, *args, **kwargs)


def http_session() -> requests.Session:
    """Return a session that retries 429 and 5xx answers at most twice, waiting as the server asks, up to 10 s."""
    retry = Retry(
        total=RETRIES,
        connect=0,
        read=False,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None,
        backoff_factor=0.3,
        retry_after_max=LONGEST_WAIT_SECONDS,
        raise_on_status=False,
    )
    session = requests.Session()
    session.headers["User-Agent"] = USER_AGENT
    for scheme in ("http://", "https://"):
        session.mount(scheme, _TimedAdapter(max_retries=retry))
    return session


def why(error: Exception) -> str:
    """Return the reason of a failed request in a few words, without addresses or keys."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code}"
    if isinstance(error, requests.exceptions.JSONDecodeError):
        return "an answer that is no JSON"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return type(error).__name__
