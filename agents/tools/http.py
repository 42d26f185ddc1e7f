"""A polite HTTP session for the tools: time-outs always, a few retries, Retry-After honoured."""

import time
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import Retry

from lab.settings import settings

USER_AGENT = "bakeoff/0.1 (an LLM agent lab; python-requests)"
RETRIES, LONGEST_WAIT_SECONDS, CONNECT_SECONDS = 2, 10, 5
BACKOFF_SECONDS = (0.1, 0.3)  # after a connection that was refused or dropped


class _PatientAdapter(HTTPAdapter):
    """Gives every request a time-out, which requests itself does not, and another connection if one is lost."""

    def send(
        self, request: requests.PreparedRequest, stream: bool = False, *args: Any, **kwargs: Any
    ) -> requests.Response:
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = (CONNECT_SECONDS, settings().timeout_seconds)
        until = time.monotonic() + settings().timeout_seconds
        for pause in BACKOFF_SECONDS:
            try:
                return self._whole(request, stream, *args, **kwargs)
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
                if isinstance(error, requests.Timeout) or time.monotonic() + pause > until:
                    raise
            time.sleep(pause)
        return self._whole(request, stream, *args, **kwargs)

    def _whole(self, request: requests.PreparedRequest, stream: bool, *args: Any, **kwargs: Any) -> requests.Response:
        """Return the answer; unless it is streamed it has been read, for a connection may drop in its middle."""
        response = super().send(request, stream, *args, **kwargs)
        if not stream:
            response.content  # noqa: B018
        return response


def http_session() -> requests.Session:
    """Return a session that asks again at most twice: after 429 and 5xx answers, and after lost connections.

    It waits as long as the server says, up to 10 s. Everything that the tools send may be sent again.
    """
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
        session.mount(scheme, _PatientAdapter(max_retries=retry))
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
