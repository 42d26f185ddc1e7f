"""The world is what it claims to be: the real clients understand it, and every fault does what it says."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
import requests
import tavily
import wikipedia
from langchain_openai import ChatOpenAI
from pydantic import SecretStr
from tavily import errors as tavily_errors

from . import MODEL, Fault, FaultyProxy, MediaWikiServer, OpenAIServer, TavilyServer

ARTICLES = {
    "Sourdough": "Sourdough is a bread raised by wild yeast. It is sour.\n\n\n== History ==\nIt is old.",
    "Baker's yeast": "Baker's yeast is a fungus. It leavens bread.",
    "Mercury (planet)": "Mercury is the smallest planet.",
    "Mercury (element)": "Mercury is a liquid metal.",
}
PAGES: list[dict[str, Any]] = [
    {
        "url": "https://bread.example/sourdough",
        "title": "Sourdough",
        "content": "Wild yeast.",
        "raw_content": "All of it.",
    },
    {"url": "https://blog.bread.example/rye", "title": "Rye", "content": "Rye sourdough with caraway."},
    {"url": "https://metal.example/", "title": "Mercury", "content": "A liquid metal."},
]
KEY = "tvly-test"
LABELS = ("billing", "shipping", "technical")
UNREADABLE = requests.exceptions.JSONDecodeError
BROKEN_OFF = requests.exceptions.ChunkedEncodingError


@pytest.fixture
def wiki(monkeypatch: pytest.MonkeyPatch) -> Iterator[MediaWikiServer]:
    """A wiki that the `wikipedia` package takes for Wikipedia."""
    wikipedia.search.clear_cache()
    wikipedia.suggest.clear_cache()
    wikipedia.summary.clear_cache()
    ambiguous = {"Mercury": ["Mercury (planet)", "Mercury (element)"]}
    with MediaWikiServer(ARTICLES, {"Levain": "Sourdough"}, ambiguous, {"sourdoh": "sourdough"}) as server:
        monkeypatch.setattr("wikipedia.wikipedia.API_URL", server.url)
        yield server


@pytest.fixture
def web() -> Iterator[TavilyServer]:
    """A web for Tavily to search."""
    with TavilyServer(KEY, PAGES, answer="Wild yeast.") as server:
        yield server


@pytest.fixture(scope="module")
def weights() -> Iterator[OpenAIServer]:
    """Real weights, loaded once."""
    with OpenAIServer() as server:
        yield server


@pytest.fixture
def model(weights: OpenAIServer) -> Iterator[OpenAIServer]:
    """The weights with a clean slate."""
    weights.requests.clear()
    yield weights
    weights.recover()


def search(server: TavilyServer, query: str = "sourdough yeast", **options: Any) -> Any:
    """Search with the real client."""
    return tavily.TavilyClient(KEY, api_base_url=server.url).search(query, **options)


def chat(server: OpenAIServer, **options: Any) -> ChatOpenAI:
    """The real client, told to be brief and exact."""
    settings = {"temperature": 0, "max_completion_tokens": 48, "max_retries": 0, "timeout": 30} | options
    return ChatOpenAI(base_url=server.url, api_key=SecretStr("x"), model=MODEL, **settings)


def test_wikipedia_searches_and_reads(wiki: MediaWikiServer) -> None:
    """Search ranks by shared words; a page has its text, its lead, its address, and its revision."""
    assert wikipedia.search("sourdough bread") == ["Sourdough", "Baker's yeast"]
    page = wikipedia.page("Sourdough", auto_suggest=False)
    assert page.content == ARTICLES["Sourdough"]
    assert page.summary == "Sourdough is a bread raised by wild yeast. It is sour."
    assert page.url == "https://en.wikipedia.org/wiki/Sourdough"
    assert page.revision_id == page.parent_id + 1
    assert wikipedia.summary("Sourdough", sentences=1) == "Sourdough is a bread raised by wild yeast."
    assert wikipedia.WikipediaPage(pageid=page.pageid).title == "Sourdough"
    assert wiki.requests[0].query["srsearch"] == "sourdough bread"


def test_wikipedia_follows_redirects_from_titles_as_people_type_them(wiki: MediaWikiServer) -> None:
    """A lower-case redirect is normalized, then followed."""
    assert wikipedia.page("levain", auto_suggest=False).title == "Sourdough"
    with pytest.raises(wikipedia.RedirectError):
        wikipedia.page("Levain", auto_suggest=False, redirect=False)
    assert wikipedia.search("levain") == ["Sourdough"]


@pytest.mark.filterwarnings("ignore:No parser was explicitly specified")
def test_wikipedia_disambiguates(wiki: MediaWikiServer) -> None:
    """An ambiguous title lists what it may refer to."""
    with pytest.raises(wikipedia.DisambiguationError) as ambiguity:
        wikipedia.page("Mercury", auto_suggest=False)
    assert ambiguity.value.options == ["Mercury (planet)", "Mercury (element)"]


def test_wikipedia_misses_and_suggests(wiki: MediaWikiServer) -> None:
    """What is not there is reported as missing, and a misspelling draws a suggestion."""
    assert wikipedia.search("xylophone") == []
    assert wikipedia.search("sourdoh", suggestion=True) == ([], "sourdough")
    with pytest.raises(wikipedia.PageError):
        wikipedia.page("Xylophone", auto_suggest=False)
    with pytest.raises(KeyError, match="fullurl"):
        wikipedia.page("Array[int]", auto_suggest=False)


def test_mediawiki_reports_errors_with_status_200(wiki: MediaWikiServer) -> None:
    """An over-long search and a busy backend are errors inside an answer."""
    with pytest.raises(wikipedia.WikipediaException, match="longer than the maximum"):
        wikipedia.search("bread " * 60)
    wiki.fail_next(Fault.API_ERROR)
    with pytest.raises(wikipedia.WikipediaException, match="too busy"):
        wikipedia.search("bread")
    assert httpx.get(wiki.url).json()["error"]["code"] == "badvalue"


def test_mediawiki_speaks_the_documented_json(wiki: MediaWikiServer) -> None:
    """A full search has counts, snippets and a continuation; a page has its addresses."""
    asked = {"action": "query", "format": "json", "list": "search", "srsearch": "bread", "srlimit": "1"}
    found = httpx.get(wiki.url, params=asked).json()
    assert found["continue"] == {"sroffset": 1, "continue": "-||"}
    assert found["query"]["searchinfo"] == {"totalhits": 2}
    assert '<span class="searchmatch">bread</span>' in found["query"]["search"][0]["snippet"]
    asked = {"action": "query", "prop": "info", "inprop": "url", "titles": "sourdough|Nowhere"}
    query = httpx.get(wiki.url, params=asked).json()["query"]
    assert query["normalized"] == [{"from": "sourdough", "to": "Sourdough"}]
    assert query["pages"]["1001"]["canonicalurl"] == "https://en.wikipedia.org/wiki/Sourdough"
    assert query["pages"]["-1"]["missing"] == ""


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.RATE_LIMIT, UNREADABLE),
        (Fault.FORBIDDEN, UNREADABLE),
        (Fault.SERVER_ERROR, UNREADABLE),
        (Fault.UNAVAILABLE, UNREADABLE),
        (Fault.MALFORMED, UNREADABLE),
        (Fault.DISCONNECT, BROKEN_OFF),
    ],
)
def test_wikipedia_meets_faults(wiki: MediaWikiServer, fault: Fault, error: type[Exception]) -> None:
    """The package knows no status codes; a fault passes, and the next answer is true again."""
    wiki.fail_next(fault)
    with pytest.raises(error):
        wikipedia.search("bread")
    assert wikipedia.search("bread") == ["Sourdough", "Baker's yeast"]


def test_wikipedia_would_wait_in_silence_for_ever(wiki: MediaWikiServer) -> None:
    """The package sets no time limit, so only the end of the server ends the wait."""
    wiki.fail_next(Fault.SILENCE)
    outcome: list[BaseException] = []

    def ask() -> None:
        try:
            wikipedia.search("bread")
        except requests.exceptions.ConnectionError as error:
            outcome.append(error)

    client = threading.Thread(target=ask, daemon=True)
    client.start()
    client.join(0.5)
    assert client.is_alive()
    started = time.monotonic()
    wiki.stop()
    client.join(5)
    assert time.monotonic() - started < 1
    assert outcome


def test_redirects_lead_back_with_the_question_intact(wiki: MediaWikiServer, web: TavilyServer) -> None:
    """GET and POST both arrive a second time as they were."""
    wiki.fail_next(Fault.REDIRECT)
    web.fail_next(Fault.REDIRECT)
    assert wikipedia.search("sourdough")
    assert search(web)["results"]
    for server in (wiki, web):
        first, second = server.requests
        assert (first.method, first.target, first.body) == (second.method, second.target, second.body)


def test_refusals_have_their_status_and_header(wiki: MediaWikiServer) -> None:
    """429 and 503 say when to come back, if they are told to."""
    wiki.fail_next(Fault.RATE_LIMIT, times=2, retry_after=7)
    wiki.fail_next(Fault.UNAVAILABLE, retry_after=None)
    answers = [httpx.get(wiki.url) for _ in range(3)]
    assert [(answer.status_code, answer.headers.get("Retry-After")) for answer in answers] == [
        (429, "7"),
        (429, "7"),
        (503, None),
    ]
    with pytest.raises(ValueError, match="MediaWikiServer never refuses"):
        wiki.fail_next(Fault.PLAN_LIMIT)


def test_tavily_searches(web: TavilyServer) -> None:
    """An answer has Tavily's fields, and what was asked for beyond them."""
    reply = search(web, max_results=2, include_answer=True, include_raw_content=True)
    assert set(reply) == {
        "query", "follow_up_questions", "answer", "images", "results", "response_time", "request_id"
    }  # fmt: skip
    assert reply["answer"] == "Wild yeast."
    assert [(page["title"], page["score"], page["raw_content"]) for page in reply["results"]] == [
        ("Sourdough", 1.0, "All of it."),
        ("Rye", 0.5, None),
    ]
    assert web.requests[0].json["max_results"] == 2
    assert search(web, "xylophone")["results"] == []


def test_tavily_keeps_to_domains(web: TavilyServer) -> None:
    """Subdomains belong to their domain, unless they are ruled out."""
    within = search(web, "sourdough liquid", include_domains=["bread.example"])
    without = search(web, "sourdough liquid", exclude_domains=["blog.bread.example"])
    assert [page["title"] for page in within["results"]] == ["Sourdough", "Rye"]
    assert [page["title"] for page in without["results"]] == ["Sourdough", "Mercury"]


def test_tavily_objects(web: TavilyServer) -> None:
    """A wrong key, a long question and an unknown topic are each refused in their own way."""
    with pytest.raises(tavily.InvalidAPIKeyError, match="missing or invalid"):
        tavily.TavilyClient("tvly-wrong", api_base_url=web.url).search("bread")
    with pytest.raises(tavily.BadRequestError, match="too long"):
        search(web, "bread " * 70)
    with pytest.raises(tavily.BadRequestError, match="Invalid topic"):
        search(web, topic="gossip")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.RATE_LIMIT, tavily.UsageLimitExceededError),
        (Fault.PLAN_LIMIT, tavily_errors.ForbiddenError),
        (Fault.PAYGO_LIMIT, tavily_errors.ForbiddenError),
        (Fault.FORBIDDEN, tavily_errors.ForbiddenError),
        (Fault.SERVER_ERROR, requests.exceptions.HTTPError),
        (Fault.UNAVAILABLE, requests.exceptions.HTTPError),
        (Fault.MALFORMED, UNREADABLE),
        (Fault.DISCONNECT, BROKEN_OFF),
        (Fault.SILENCE, tavily_errors.TimeoutError),
    ],
)
def test_tavily_meets_faults(web: TavilyServer, fault: Fault, error: type[Exception]) -> None:
    """Each fault is the client's own error; then all is well again."""
    web.fail_next(fault)
    with pytest.raises(error):
        search(web, timeout=0.3)
    assert search(web)["results"]


def test_model_answers_and_streams(model: OpenAIServer) -> None:
    """The weights know a capital, all at once or token by token."""
    question = "What is the capital of France? Answer briefly."
    whole = chat(model).invoke(question)
    streamed = [chunk.text for chunk in chat(model).stream(question)]
    assert "Paris" in str(whole.content)
    assert "".join(streamed) == whole.content
    assert sum(map(bool, streamed)) > 3
    assert model.requests[0].json["messages"][0]["content"] == question


def test_model_gives_log_probabilities(model: OpenAIServer) -> None:
    """As many alternatives as were asked for, the likeliest first."""
    confident = chat(model, max_completion_tokens=1).bind(logprobs=True, top_logprobs=5)
    (token,) = confident.invoke("Is Paris in France? Answer yes or no.").response_metadata["logprobs"]["content"]
    likelihoods = [alternative["logprob"] for alternative in token["top_logprobs"]]
    assert len(likelihoods) == 5
    assert likelihoods == sorted(likelihoods, reverse=True)
    assert token["logprob"] == likelihoods[0] < 0


def test_model_keeps_to_a_schema(model: OpenAIServer) -> None:
    """A label is one of the labels, whatever the weights would rather say."""
    label = {"type": "string", "enum": list(LABELS)}
    schema = {"title": "Ticket", "type": "object", "properties": {"label": label}, "required": ["label"]}
    classify = chat(model).with_structured_output(schema, method="json_schema")
    ticket = classify.invoke("Classify this ticket: my package never arrived.")
    assert isinstance(ticket, dict)
    assert ticket["label"] in LABELS


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault.RATE_LIMIT, openai.RateLimitError),
        (Fault.PLAN_LIMIT, openai.RateLimitError),
        (Fault.FORBIDDEN, openai.PermissionDeniedError),
        (Fault.SERVER_ERROR, openai.InternalServerError),
        (Fault.UNAVAILABLE, openai.InternalServerError),
        (Fault.MALFORMED, ValueError),
        (Fault.DISCONNECT, openai.APIConnectionError),
        (Fault.SILENCE, openai.APITimeoutError),
    ],
)
def test_model_meets_faults(model: OpenAIServer, fault: Fault, error: type[Exception]) -> None:
    """Each fault is the client's own error; then all is well again."""
    client = chat(model, max_completion_tokens=4, timeout=2)
    model.fail_next(fault)
    with pytest.raises(error):
        client.invoke("Hello")
    assert client.invoke("Hello").content


def test_model_is_patient_with_those_who_come_back(model: OpenAIServer) -> None:
    """A client that retries waits as long as it was told, and gets its answer."""
    model.fail_next(Fault.RATE_LIMIT, retry_after=1)
    model.fail_next(Fault.REDIRECT)
    started = time.monotonic()
    assert chat(model, max_completion_tokens=4, max_retries=1).invoke("Hello").content
    assert time.monotonic() - started >= 1
    assert len(model.requests) == 3


def test_streams_break_off(model: OpenAIServer) -> None:
    """A stream that is cut has begun, and ends in an error; one that merely stops short passes for whole."""
    heard: list[str] = []
    model.fail_next(Fault.DISCONNECT)
    with pytest.raises(openai.APIConnectionError):
        heard.extend(chunk.text for chunk in chat(model).stream("Count to ten."))
    assert any(heard)
    model.fail_next(Fault.MALFORMED)
    *_, last = chat(model).stream("Count to ten.")
    assert "finish_reason" not in last.response_metadata


def test_weights_that_cannot_load_say_so(tmp_path: Path) -> None:
    """A broken file is an error with the child's own words, not a wait."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"not weights")
    with pytest.raises(RuntimeError, match="no answer from the weights"):
        OpenAIServer(broken).start()


def test_proxy_stands_before_any_server(web: TavilyServer) -> None:
    """It passes on and fails like the rest; with nobody behind it, it is a bad gateway."""
    with FaultyProxy(web.url) as proxy:
        client = tavily.TavilyClient(KEY, api_base_url=proxy.url)
        assert client.search("sourdough")["results"] == search(web, "sourdough")["results"]
        proxy.fail_next(Fault.SERVER_ERROR)
        with pytest.raises(requests.exceptions.HTTPError, match="500"):
            client.search("sourdough")
        web.stop()
        with pytest.raises(requests.exceptions.HTTPError, match="502"):
            client.search("sourdough")
