"""Why a provider gave no answer, told by what can be done about it."""

import time
from email.utils import parsedate_to_datetime
from typing import Any, Literal

FailureKind = Literal["retryable", "permanent", "budget"]

PASSING = {408, 409, 425, 429, 500, 502, 503, 504, 529}  # HTTP statuses that are over after a while
MENDABLE = {401, 403, 404}  # a refused key, an unknown model: the next question fails alike until somebody mends it
CREDIT = ("insufficient_quota", "billing_hard_limit_reached", "credit balance is too low")


def kind_of(error: Exception) -> FailureKind:
    """Return what can be done about an error of any provider's client.

    Returns:
        "budget": the provider's credit is used up, so nothing more can be asked; "retryable": the same question may
        well be answered another time (network, rate limit, breakdown, refused key); "permanent": it would fail again.
    """
    if _is_broke(error):
        return "budget"
    if is_passing(error) or _status(error) in MENDABLE:
        return "retryable"
    return "permanent"


def is_passing(error: BaseException) -> bool:
    """Tell whether it is worth asking again after a moment."""
    if _is_broke(error):
        return False
    status = _status(error)
    if getattr(error, "is_retryable", False) or status in PASSING:  # LangChain's word for it, where it has one
        return True
    if status is not None:
        return False
    told = {kind.__name__ for kind in type(error).__mro__}  # httpx, requests and the clients each have their own
    return bool(told & {"TimeoutError", "ConnectionError", "TransportError", "APIConnectionError", "JSONDecodeError"})


def is_rate_limit(error: BaseException) -> bool:
    """Tell whether the provider asks for fewer requests."""
    return _status(error) in (429, 529) and is_passing(error)


def retry_after(error: BaseException) -> float | None:
    """Return the seconds of an answer's Retry-After header, which may be a date; None where it says nothing."""
    headers: Any = getattr(getattr(error, "response", None), "headers", None) or {}
    told = headers.get("retry-after") or headers.get("Retry-After")
    if not told:
        return None
    try:
        return max(0.0, float(told))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    except ValueError:
        return None


def _is_broke(error: BaseException) -> bool:
    """Tell whether the provider says that the credit is used up, in a code or in words."""
    told = f"{getattr(error, 'code', '')} {error}"
    return _status(error) == 402 or any(sign in told for sign in CREDIT)


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that is the error, wherever its client keeps it; None for what broke off otherwise."""
    response = getattr(error, "response", None)
    candidates = (
        getattr(error, "status_code", None),
        getattr(response, "status_code", None),
        getattr(error, "code", None),
    )
    return next((status for status in candidates if isinstance(status, int) and status >= 400), None)
