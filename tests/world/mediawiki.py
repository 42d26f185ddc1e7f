"""Wikipedia's api.php, as far as the `wikipedia` package asks it."""

from __future__ import annotations

import html
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from .ranking import overlap, rank, words
from .server import Answer, Fault, Request, Server

SITE = "https://en.wikipedia.org"
LONGEST_SEARCH = 300

_TOUCHED = "2026-01-15T12:00:00Z"
_LANGUAGE = {"pagelanguage": "en", "pagelanguagehtmlcode": "en", "pagelanguagedir": "ltr"}
_USAGE = (
    f"See {SITE}/w/api.php for API usage. Subscribe to the mediawiki-api-announce mailing list at "
    "&lt;https://lists.wikimedia.org/postorius/lists/mediawiki-api-announce.lists.wikimedia.org/&gt; "
    "for notice of API deprecations and breaking changes."
)


def _error(code: str, info: str) -> Answer:
    """An API error, which MediaWiki sends with status 200."""
    error = {"code": code, "info": info, "*": _USAGE}
    return Answer.json({"error": error, "servedby": "mw1"}, headers={"MediaWiki-API-Error": code})


@dataclass(frozen=True)
class _Page:
    """An article, a disambiguation page (with `options`), or a redirect (with a `target`)."""

    id: int
    title: str
    text: str = ""
    options: Sequence[str] = ()
    target: str | None = None

    @property
    def revision(self) -> int:
        return 1_000_000 + self.id

    @property
    def html(self) -> str:
        if not self.options:
            blocks = (f"<p>{html.escape(block)}</p>" for block in self.text.split("\n") if block)
            return f'<div class="mw-parser-output">{"".join(blocks)}</div>'
        links = (f'<li><a href="{_wiki_path(title)}">{html.escape(title)}</a></li>' for title in self.options)
        lead = f"<p><b>{html.escape(self.title)}</b> may refer to:</p>"
        return f'<div class="mw-parser-output">{lead}<ul>{"".join(links)}</ul></div>'


class MediaWikiServer(Server):
    """A small wiki with MediaWiki's search, redirects, disambiguation pages, and plain-text extracts."""

    path: ClassVar[str] = "/w/api.php"
    refusals: ClassVar[Mapping[Fault, Answer]] = {
        **Server.refusals,
        Fault.RATE_LIMIT: Answer.text("Please respect our robot policy https://w.wiki/4wJS when crawling us.\n", 429),
        Fault.FORBIDDEN: Answer.text(
            "Please set a user-agent and respect our robot policy https://w.wiki/4wJS. See also T400119.\n", 403
        ),
        Fault.API_ERROR: _error("cirrussearch-too-busy-error", "Search is currently too busy. Please try again later."),
    }

    def __init__(
        self,
        articles: Mapping[str, str],
        redirects: Mapping[str, str] | None = None,
        disambiguations: Mapping[str, Sequence[str]] | None = None,
        suggestions: Mapping[str, str] | None = None,
    ) -> None:
        """Fill the wiki.

        Args:
            articles: Plain text by title; sections begin with lines such as `== History ==`.
            redirects: The title that each other title leads to.
            disambiguations: The titles that each ambiguous title may refer to.
            suggestions: The "did you mean" that a search draws, by its exact words.
        """
        super().__init__()
        self._redirects = dict(redirects or {})
        self._suggestions = dict(suggestions or {})
        self._pages = self._number(articles, disambiguations or {})

    def _number(self, articles: Mapping[str, str], ambiguous: Mapping[str, Sequence[str]]) -> dict[str, _Page]:
        ids = itertools.count(1001)
        pages = [_Page(next(ids), title, text) for title, text in articles.items()]
        for title, options in ambiguous.items():
            pages.append(_Page(next(ids), title, f"{title} may refer to:\n" + "\n".join(options), options=options))
        pages += [_Page(next(ids), title, target=target) for title, target in self._redirects.items()]
        return {page.title: page for page in pages}

    def answer(self, request: Request) -> Answer:
        """Answer one call of the API."""
        asked = request.query
        if request.path != self.path:
            return Answer.page(404)
        if asked.get("action") != "query":
            action = asked.get("action", "help")
            return _error("badvalue", f'Unrecognized value for parameter "action": {action}.')
        if asked.get("list") == "search":
            return self._search(asked)
        return self._look_up(asked)

    def _search(self, asked: Mapping[str, str]) -> Answer:
        question = asked.get("srsearch", "").strip()
        if not question:
            return _error("missingparam", 'The "srsearch" parameter must be set.')
        if len(question) > LONGEST_SEARCH:
            lengths = f"(Actual: {len(question)}; allowed: {LONGEST_SEARCH})"
            too_long = f"Search request is longer than the maximum allowed length. {lengths}"
            return _error("cirrussearch-query-too-long", too_long)
        readable = (page for page in self._pages.values() if not page.target)
        found = rank(readable, lambda page: self._score(question, page))
        start = int(asked.get("sroffset", 0))
        end = start + int(asked.get("srlimit", 10))
        info = self._search_info(question, len(found), asked.get("srinfo", "totalhits|suggestion").split("|"))
        hits = [_hit(page, question, asked.get("srprop")) for page in found[start:end]]
        query = ({"searchinfo": info} if info else {}) | {"search": hits}
        reply = {"batchcomplete": ""} | _unknown_parameters(asked)
        more = {"continue": {"sroffset": end, "continue": "-||"}} if end < len(found) else {}
        return Answer.json(reply | more | {"query": query})

    def _score(self, question: str, page: _Page) -> float:
        names = [page.title, *(name for name, target in self._redirects.items() if target == page.title)]
        return overlap(question, " ".join(names)) + overlap(question, f"{page.title} {page.text}")

    def _search_info(self, question: str, hits: int, wanted: Sequence[str]) -> dict[str, object]:
        info: dict[str, object] = {"totalhits": hits} if "totalhits" in wanted else {}
        suggestion = self._suggestions.get(question)
        if suggestion and "suggestion" in wanted:
            info |= {"suggestion": suggestion, "suggestionsnippet": html.escape(suggestion)}
        return info

    def _look_up(self, asked: Mapping[str, str]) -> Answer:
        by_id = "titles" not in asked
        names = [name for name in asked.get("titles", asked.get("pageids", "")).split("|") if name]
        if not names:
            return Answer.json({"batchcomplete": ""})
        titles = [self._title_of(name) if by_id else _normal(name) for name in names]
        targets = [self._redirects.get(title, title) for title in titles] if "redirects" in asked else titles
        query: dict[str, object] = {
            "normalized": [] if by_id else _moves(names, titles),
            "redirects": _moves(titles, targets),
            "pages": dict(self._entries(names, targets, asked)),
        }
        return Answer.json({"batchcomplete": "", "query": {part: found for part, found in query.items() if found}})

    def _title_of(self, page_id: str) -> str:
        return next((page.title for page in self._pages.values() if str(page.id) == page_id), "")

    def _entries(
        self, names: Sequence[str], titles: Sequence[str], asked: Mapping[str, str]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each page under its number; what is missing counts down from -1, or keeps the number it was asked by."""
        nowhere = itertools.count(-1, -1)
        for name, title in zip(names, titles, strict=True):
            if page := self._pages.get(title):
                yield str(page.id), _describe(page, asked)
            elif "titles" in asked:
                yield str(next(nowhere)), _absent(title, asked)
            else:
                yield name, {"pageid": int(name), "missing": ""}


def _normal(name: str) -> str:
    """A title as the wiki writes it: spaces for underscores, and a capital first."""
    title = " ".join(name.replace("_", " ").split())
    return title[:1].upper() + title[1:]


def _moves(before: Sequence[str], after: Sequence[str]) -> list[dict[str, str]]:
    return [{"from": old, "to": new} for old, new in zip(before, after, strict=True) if old != new]


def _unknown_parameters(asked: Mapping[str, str]) -> dict[str, object]:
    """The warning that the `wikipedia` package draws with each search, for the `limit` it adds to `srlimit`."""
    return {"warnings": {"main": {"*": "Unrecognized parameter: limit."}}} if "limit" in asked else {}


def _hit(page: _Page, question: str, wanted: str | None) -> dict[str, object]:
    """One search result; `srprop=` asks for the bare title, its absence for everything."""
    hit: dict[str, object] = {"ns": 0, "title": page.title, "pageid": page.id}
    if wanted == "":
        return hit
    size = {"size": len(page.text.encode()), "wordcount": len(page.text.split())}
    return hit | size | {"snippet": _snippet(page.text, question), "timestamp": _TOUCHED}


def _snippet(text: str, question: str) -> str:
    marked = re.compile(r"\b(" + "|".join(map(re.escape, words(question))) + r")\b", re.IGNORECASE)
    return marked.sub(r'<span class="searchmatch">\1</span>', html.escape(text[:160], quote=False))


def _describe(page: _Page, asked: Mapping[str, str]) -> dict[str, Any]:
    """A page with the properties that were asked for."""
    props = asked.get("prop", "").split("|")
    description: dict[str, Any] = {"pageid": page.id, "ns": 0, "title": page.title}
    if "info" in props:
        description |= {"contentmodel": "wikitext", **_LANGUAGE, "touched": _TOUCHED, "lastrevid": page.revision}
        description |= {"length": len(page.text.encode())} | ({"redirect": ""} if page.target else {})
        description |= _urls(page.title, asked)
    if "pageprops" in props and page.options:
        description["pageprops"] = {"disambiguation": ""}
    if "extracts" in props:
        description["extract"] = _extract(page.text, asked)
    if "revisions" in props:
        description["revisions"] = [_revision(page, asked)]
    return description


def _absent(title: str, asked: Mapping[str, str]) -> dict[str, object]:
    """The entry of a title without a page, or of a title that no page can have."""
    forbidden = re.search(r"[#<>\[\]{}]", title)
    if forbidden:
        reason = f'The requested page title contains invalid characters: "{forbidden.group()}".'
        return {"title": title, "invalidreason": reason, "invalid": ""}
    entry: dict[str, object] = {"ns": 0, "title": title, "missing": ""}
    if "info" in asked.get("prop", "").split("|"):
        entry |= {"contentmodel": "wikitext", **_LANGUAGE, **_urls(title, asked)}
    return entry


def _urls(title: str, asked: Mapping[str, str]) -> dict[str, str]:
    if "url" not in asked.get("inprop", "").split("|"):
        return {}
    address = SITE + _wiki_path(title)
    edit = f"{SITE}/w/index.php?title={quote(title.replace(' ', '_'))}&action=edit"
    return {"fullurl": address, "editurl": edit, "canonicalurl": address}


def _wiki_path(title: str) -> str:
    return "/wiki/" + quote(title.replace(" ", "_"), safe=";@$!*(),/~:")


def _extract(text: str, asked: Mapping[str, str]) -> str:
    """The plain text, or the part of it that was asked for."""
    if "exintro" in asked:
        text = re.split(r"^==", text, maxsplit=1, flags=re.MULTILINE)[0].strip()
    if "exsentences" in asked:
        return " ".join(re.split(r"(?<=[.!?])\s+", text)[: int(asked["exsentences"])])
    if "exchars" in asked and len(text) > int(asked["exchars"]):
        return text[: int(asked["exchars"])].rstrip() + "..."
    return text


def _revision(page: _Page, asked: Mapping[str, str]) -> dict[str, object]:
    wanted = asked.get("rvprop", "ids").split("|")
    revision: dict[str, object] = {"revid": page.revision, "parentid": page.revision - 1} if "ids" in wanted else {}
    if "content" in wanted:
        content = page.html if "rvparse" in asked else page.text
        revision |= {"contentformat": "text/x-wiki", "contentmodel": "wikitext", "*": content}
    return revision
