"""Web search through Tavily."""

import requests
from tavily import TavilyClient

from agents.tools.http import http_session, why
from lab.errors import BakeoffError
from lab.redact import reason
from lab.settings import settings
from rag import Evidence

RESULTS = 4


def search_web(query: str) -> list[Evidence]:
    """Return the best pages for `query`.

    Raises:
        BakeoffError: the key is refused or used up, or Tavily cannot be reached.
    """
    key = settings().tavily_api_key
    if key is None:
        raise BakeoffError("TAVILY_API_KEY", "no key", "set it in the environment or .env")
    client = TavilyClient(key.get_secret_value(), api_base_url=settings().tavily_api_base_url, session=http_session())
    try:
        answer = client.search(query[:400], max_results=RESULTS, timeout=settings().timeout_seconds)
        return [
            Evidence(row["content"], row["url"], (0, len(row["content"])), float(row.get("score") or 0))
            for row in answer["results"]
        ]
    except (requests.RequestException, ValueError, KeyError) as error:
        raise BakeoffError("search results from Tavily", why(error), "try again later") from error
    except Exception as error:  # tavily's own errors share no base class
        said = f"{type(error).__name__}: {reason(error)}"
        raise BakeoffError("search results from Tavily", said, "check the key and its limits") from error
