"""The transport of web requests that cannot be turned on the network they are made in (server-side request forgery)."""

from collections.abc import Collection
from ipaddress import ip_network

import httpx
from langchain_core._security import SSRFBlockedError, SSRFPolicy, SSRFSafeSyncTransport, validate_hostname

# Besides langchain-core's ranges: ways to write an IPv4 address as an IPv6 one (6to4, Teredo), and site-local addresses.
POLICY = SSRFPolicy(additional_blocked_cidrs=tuple(map(ip_network, ("2002::/16", "2001::/32", "fec0::/10"))))


class GuardedTransport(httpx.BaseTransport):
    """Connects only to addresses of the public internet, and to hosts the user allows.

    langchain-core's transport resolves each host, checks every address found and connects to the one it checked. The
    client asks it again for each redirect.
    """

    def __init__(self, allowed: Collection[str]) -> None:
        """Allow besides the public internet the hosts `allowed`: "name" on every port, or "name:port"."""
        self._allowed = frozenset(allowed)
        self._guarded = SSRFSafeSyncTransport(POLICY)
        self._unguarded = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request.

        Raises:
            SSRFBlockedError: its address is refused; tells why.
        """
        if request.url.userinfo:
            raise SSRFBlockedError("a name and password in the address")
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
        port = url.port or {"http": 80, "https": 443}.get(url.scheme)
        return url.scheme in ("http", "https") and not self._allowed.isdisjoint({url.host, host, f"{host}:{port}"})
