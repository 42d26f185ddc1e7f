"""The tools against the outside world as it is: rate limits, broken answers, silence, redirects."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agents.tools.catalogue import offered_tools
from agents.tools.classifier import classify
from agents.tools.http import http_session
from agents.tools.web import search_web
from agents.tools.wikipedia import SNAPSHOT_NAME, WikipediaTool
from lab.errors import BakeoffError
from lab.llm import BaseLLM
from tests.conftest import Outcome
from tests.world import Answer, Fault, MediaWikiServer, Request, ScriptedServer, TavilyServer, calls, says

ARTICLES = {
    "Marie Curie": "Marie Curie was a physicist and chemist who did pioneering research on radioactivity.",
    "Mercury (planet)": "Mercury is the first planet from the Sun.",
    "Mercury (element)": "Mercury is a liquid metal.",
}
KEY = "tvly-secret-key"
PAGES = [{"url": "https://news.example/rates", "title": "Rates", "content": "The central bank kept rates."}]


@pytest.fixture
def wiki(setting: Callable[[str, str], None]) -> Iterator[MediaWikiServer]:
    """A wiki of three articles, reached as a user's own mirror is."""
    ambiguous = {"Mercury": ["Mercury (planet)", "Mercury (element)"], "Gone": ["Gone (an article of yesterday)"]}
    with MediaWikiServer(ARTICLES, {"Madame Curie": "Marie Curie"}, ambiguous) as server:
        setting("WIKIPEDIA_API_URL", server.url)
        setting("BAKEOFF_TIMEOUT_SECONDS", "1")
        yield server


@pytest.fixture
def web(setting: Callable[[str, str], None]) -> Iterator[TavilyServer]:
    """A web of one page."""
    with TavilyServer(KEY, PAGES) as server:
        setting("TAVILY_API_KEY", KEY)
        setting("TAVILY_API_BASE_URL", server.url)
        setting("BAKEOFF_TIMEOUT_SECONDS", "1")
        yield server


def test_wikipedia_answers_from_the_live_api(wiki: MediaWikiServer) -> None:
    evidence, note = WikipediaTool()("Who was Marie Curie?")
    assert evidence[0].text == ARTICLES["Marie Curie"]
    assert evidence[0].source.endswith("/wiki/Marie_Curie")
    assert note == ""
    assert all("bakeoff" in request.headers["user-agent"] for request in wiki.requests)


def test_redirects_and_ambiguous_titles_lead_to_an_article(wiki: MediaWikiServer) -> None:
    assert WikipediaTool()("Madame Curie")[0][0].source.endswith("/wiki/Marie_Curie")
    assert any(item.text == ARTICLES["Mercury (planet)"] for item in WikipediaTool()("Mercury")[0])


def test_a_page_that_is_missing_is_no_outage(wiki: MediaWikiServer) -> None:
    assert WikipediaTool()("Gone") == ([], "")
    assert wiki.requests[-1].query["titles"] == "Gone (an article of yesterday)"


def test_a_question_longer_than_the_wiki_takes_is_cut(wiki: MediaWikiServer) -> None:
    evidence, note = WikipediaTool()(f"Who was Marie Curie, {'who studied and studied and ' * 20}?")
    assert note == ""
    assert evidence[0].text == ARTICLES["Marie Curie"]


def test_the_language_goes_into_the_address_or_is_said_not_to(
    wiki: MediaWikiServer,
    setting: Callable[[str, str], None],
    scripted: Callable[[ScriptedServer], BaseLLM],
    bakeoff: Callable[..., Outcome],
) -> None:
    asked = ("chat", "-q", "Who was Marie Curie?", "--json", "--lang", "de", "--llm", "openai:scripted")
    with ScriptedServer(*[calls("wikipedia", query="Marie Curie"), says("A physicist [1].")] * 2) as server:
        scripted(server)
        assert any("not in the language 'de'" in note for note in bakeoff(*asked).json["notes"])
        setting("WIKIPEDIA_API_URL", f"{wiki.url}?of={{lang}}")
        assert bakeoff(*asked).json["notes"] == []
    assert wiki.requests[-1].query["of"] == "de"


def test_two_lookups_go_on_at_the_same_time(setting: Callable[[str, str], None]) -> None:
    together = threading.Barrier(2)

    class Meeting(MediaWikiServer):
        def answer(self, request: Request) -> Answer:
            together.wait(10)
            return super().answer(request)

    tool, titles = WikipediaTool(), ["Marie Curie", "Mercury (planet)"]
    with Meeting({title: ARTICLES[title] for title in titles}) as server, ThreadPoolExecutor(2) as pool:
        setting("WIKIPEDIA_API_URL", server.url)
        found = list(pool.map(tool, titles))
    assert [(evidence[0].text, note) for evidence, note in found] == [(ARTICLES[title], "") for title in titles]


@pytest.mark.parametrize("fault", [Fault.DISCONNECT, Fault.SERVER_ERROR])
def test_a_connection_that_drops_once_is_opened_again(fault: Fault, wiki: MediaWikiServer, web: TavilyServer) -> None:
    wiki.fail_next(fault)
    assert WikipediaTool()("Marie Curie")[1] == ""
    web.fail_next(fault)
    assert search_web("central bank rates")


def test_a_server_that_refuses_is_asked_again_a_moment_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = free.getsockname()

    def open_late() -> None:
        with socket.create_server(address) as server, server.accept()[0] as client:
            client.recv(4096)
            client.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    opening = threading.Timer(0.2, open_late)
    opening.start()
    assert http_session().get(f"http://127.0.0.1:{address[1]}").status_code == 204
    opening.join()


def test_a_rate_limit_is_waited_out_as_the_server_asks(wiki: MediaWikiServer) -> None:
    wiki.fail_next(Fault.RATE_LIMIT, retry_after=1)
    evidence, note = WikipediaTool()("Marie Curie")
    assert note == ""
    assert evidence[0].text == ARTICLES["Marie Curie"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.RATE_LIMIT, "HTTP 429"),
        (Fault.SERVER_ERROR, "HTTP 500"),
        (Fault.FORBIDDEN, "HTTP 403"),
        (Fault.MALFORMED, "no JSON"),
        (Fault.SILENCE, "no answer in time"),
        (Fault.DISCONNECT, "ChunkedEncodingError"),
        (Fault.API_ERROR, "WikipediaException"),
    ],
)
def test_a_wiki_that_fails_is_replaced_by_the_snapshot_and_said(
    fault: Fault, reason: str, wiki: MediaWikiServer
) -> None:
    wiki.fail_next(fault, times=4, retry_after=0)
    evidence, note = WikipediaTool()("Who was Marie Curie?")
    assert evidence[0].source == "https://en.wikipedia.org/wiki/Marie_Curie"
    assert SNAPSHOT_NAME in note
    assert reason in note


def test_a_redirected_api_is_followed(wiki: MediaWikiServer) -> None:
    wiki.fail_next(Fault.REDIRECT)
    assert WikipediaTool()("Marie Curie")[1] == ""


def test_after_a_failure_the_next_question_does_not_wait_again(wiki: MediaWikiServer) -> None:
    tool = WikipediaTool()
    wiki.fail_next(Fault.SILENCE)
    tool("Marie Curie")
    asked = len(wiki.requests)
    assert SNAPSHOT_NAME in tool("Albert Einstein")[1]
    assert len(wiki.requests) == asked


def test_a_question_that_is_in_no_article_finds_nothing() -> None:
    assert WikipediaTool()("xqzzt vwkj")[0] == []


def test_web_search_finds_pages(web: TavilyServer) -> None:
    assert search_web("central bank rates")[0].source == "https://news.example/rates"
    assert web.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_web_search_waits_out_a_rate_limit(web: TavilyServer) -> None:
    web.fail_next(Fault.RATE_LIMIT, retry_after=1)
    assert search_web("central bank rates")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.RATE_LIMIT, "UsageLimitExceededError"),
        (Fault.PLAN_LIMIT, "ForbiddenError"),
        (Fault.SERVER_ERROR, "HTTP 500"),
        (Fault.MALFORMED, "no JSON"),
        (Fault.SILENCE, "TimeoutError"),
        (Fault.DISCONNECT, "ChunkedEncodingError"),
    ],
)
def test_web_search_that_fails_is_one_line_without_the_key(fault: Fault, reason: str, web: TavilyServer) -> None:
    web.fail_next(fault, times=4, retry_after=0)
    with pytest.raises(BakeoffError, match=reason) as raised:
        search_web("central bank rates")
    assert KEY not in str(raised.value)


def test_a_wrong_key_is_said(web: TavilyServer, setting: Callable[[str, str], None]) -> None:
    setting("TAVILY_API_KEY", "tvly-other")
    with pytest.raises(BakeoffError, match="InvalidAPIKeyError"):
        search_web("rates")


def test_web_search_is_offered_with_a_key_only(web: TavilyServer, setting: Callable[[str, str], None]) -> None:
    assert "web" in offered_tools().tools
    setting("TAVILY_API_KEY", "")
    assert "web" not in offered_tools().tools
    assert "TAVILY_API_KEY" in offered_tools().missing["web"]


def test_the_classifier_tool_says_which_command_makes_one() -> None:
    with pytest.raises(BakeoffError, match="train one with: bakeoff train"):
        classify("what a day")


def test_the_classifier_tool_tells_its_probabilities(with_classifier: Path) -> None:
    found = classify("I love this!")[0]
    assert found.label == "positive"
    assert "positive 0." in found.text


def test_tools_list_shows_what_each_takes_and_what_is_missing(bakeoff: Callable[..., Outcome]) -> None:
    listed = {tool["name"]: tool for tool in bakeoff("tools", "list", "--json").json}
    offered = [name for name, tool in listed.items() if "schema" in tool]
    assert offered == ["wikipedia", "knowledge", "classify", "alerts"]
    assert "text" in json.dumps(listed["classify"]["schema"])
    assert "TAVILY_API_KEY" in listed["web"]["missing"]
    shown = bakeoff("tools", "list")
    assert "classify(text: string)\n" in shown.out
    assert "TAVILY_API_KEY" in shown.err
