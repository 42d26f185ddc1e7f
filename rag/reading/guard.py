"""The transport of web requests that cannot be turned on the network they are made in (server-side request forgery)."""

from collections.abc import Collection
from functools import cache
from ipaddress import ip_network
from ssl import SSLContext

import httpx
from langchain_core._security import SSRFPolicy, SSRFSafeSyncTransport, validate_hostname

from rag.reading.unreadable import Unreadable

# Beside langchain-core's ranges: IPv4 addresses written as IPv6 ones (6to4, Teredo), and site-local addresses.
POLICY = SSRFPolicy(additional_blocked_cidrs=tuple(map(ip_network, ("2002::/16", "2001::/32", "fec0::/10"))))


class GuardedTransport(httpx.BaseTransport):
    """Connects only to addresses of the public internet, and to hosts the user allows.

    langchain-core's transport resolves each host, checks every address found and connects to the one it checked. The
    client asks it again for each redirect.
    """

    def __init__(self, allowed: Collection[str]) -> None:
        """Allow besides the public internet the hosts `allowed`: "name" on every port, or "name:port"."""
        self._allowed = frozenset(allowed)
        self._guarded = SSRFSafeSyncTransport(POLICY, verify=_certificates())
        self._unguarded = httpx.HTTPTransport(verify=_certificates())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request.

        Raises:
            SSRFBlockedError: its host is refused; tells why.
            Unreadable: it is a redirect to another scheme than http and https, or to an address with a password.
        """
        if request.url.userinfo or request.url.scheme not in ("http", "https"):
            raise Unreadable("refused: redirected to an address with a password, or of another kind than http")
        if self._allows(request.url):
            return self._unguarded.handle_request(request)
        validate_hostname(request.url.host, POLICY)  # LANGCHAIN_ENV=local makes the transport let localhost pass
        return self._guarded.handle_request(request)

    def close(self) -> None:
        """Close all connections."""
        self._guarded.close()
        self._unguarded.close()

    def _allows(self, url: httpx.URL) -> bool:
        host = f"[{url.host}]" if ":" in url.host else url.host
        port = url.port or (443 if url.scheme == "https" else 80)
        return not self._allowed.isdisjoint({url.host, host, f"{host}:{port}"})


@cache
def _certificates() -> SSLContext:
    return httpx.create_ssl_context()
