"""Tavily's search, as `tavily-python` calls it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlsplit

from .ranking import overlap, rank
from .server import Answer, Fault, Request, Server

LONGEST_QUERY = 400
MOST_RESULTS = 20
TOPICS = ("general", "news", "finance")


def _refusal(status: int, error: str) -> Answer:
    return Answer.json({"detail": {"error": error}}, status)


class TavilyServer(Server):
    """A small web with Tavily's search over it."""

    refusals: ClassVar[Mapping[Fault, Answer]] = {
        **Server.refusals,
        Fault.RATE_LIMIT: _refusal(
            429, "Your request has been blocked due to excessive requests. Please reduce rate of requests."
        ),
        Fault.FORBIDDEN: _refusal(403, "Forbidden: this API key may not use the requested resource."),
        Fault.PLAN_LIMIT: _refusal(
            432,
            "This request exceeds your plan's set usage limit. Please upgrade your plan or contact support@tavily.com.",
        ),
        Fault.PAYGO_LIMIT: _refusal(
            433,
            "This request exceeds the pay-as-you-go limit. You can increase your limit on the Tavily dashboard.",
        ),
    }

    def __init__(self, api_key: str, results: Sequence[Mapping[str, Any]], answer: str | None = None) -> None:
        """Fill the web.

        Args:
            api_key: The one key that is let in.
            results: The pages: url, title and content; score and raw_content where they matter.
            answer: What Tavily says itself when it is asked for an answer.
        """
        super().__init__()
        self._api_key = api_key
        self._results = results
        self._answer = answer

    def answer(self, request: Request) -> Answer:
        """Answer one call of the API."""
        if request.path != "/search":
            return Answer.json({"detail": "Not Found"}, 404)
        if request.method != "POST":
            return Answer.json({"detail": "Method Not Allowed"}, 405)
        if request.headers.get("authorization") != f"Bearer {self._api_key}":
            return _refusal(401, "Unauthorized: missing or invalid API key.")
        asked = request.json
        return self._objection(asked) or self._search(asked)

    def _objection(self, asked: Any) -> Answer | None:
        """What is wrong with the question, if anything."""
        if not isinstance(asked, dict) or "query" not in asked:
            problem = {"type": "missing", "loc": ["body", "query"], "msg": "Field required", "input": asked}
            return Answer.json({"detail": [problem]}, 422)
        if not str(asked["query"]).strip():
            return _refusal(400, "Query is missing.")
        if len(asked["query"]) > LONGEST_QUERY:
            return _refusal(400, f"Query is too long. Max query length is {LONGEST_QUERY} characters.")
        if asked.get("topic", "general") not in TOPICS:
            return _refusal(400, "Invalid topic. Must be 'general', 'news' or 'finance'.")
        if not 0 <= asked.get("max_results", 5) <= MOST_RESULTS:
            return _refusal(400, f"Max results must be between 0 and {MOST_RESULTS}.")
        return None

    def _search(self, asked: Mapping[str, Any]) -> Answer:
        def score(page: Mapping[str, Any]) -> float:
            shared = overlap(asked["query"], f"{page['title']} {page['content']}")
            return float(page.get("score", shared)) if shared else 0.0

        allowed = (page for page in self._results if _within(page["url"], asked))
        found = rank(allowed, score)[: asked.get("max_results", 5)]
        reply = {
            "query": asked["query"],
            "follow_up_questions": None,
            "answer": self._answer if asked.get("include_answer") else None,
            "images": [],
            "results": [_result(page, score(page), asked) for page in found],
            "response_time": 0.42,
            "request_id": str(uuid.uuid4()),
        }
        return Answer.json(reply | ({"usage": {"credits": 1}} if asked.get("include_usage") else {}))


def _within(url: str, asked: Mapping[str, Any]) -> bool:
    """Whether the domains that were asked for, and those ruled out, let the page pass."""
    host = urlsplit(url).hostname or ""

    def among(domains: Sequence[str]) -> bool:
        return any(host == domain or host.endswith(f".{domain}") for domain in domains)

    wanted = asked.get("include_domains") or [host]
    return among(wanted) and not among(asked.get("exclude_domains") or [])


def _result(page: Mapping[str, Any], score: float, asked: Mapping[str, Any]) -> dict[str, Any]:
    raw = page.get("raw_content") if asked.get("include_raw_content") else None
    return {**{name: page[name] for name in ("url", "title", "content")}, "score": round(score, 6), "raw_content": raw}
