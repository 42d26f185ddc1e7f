"""Agent: a conversation in the browser with the real graph, its route, its sources, and visitors of its own each."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from agents.memory import open_memory
from rag import add_documents, handbook_folder
from tests.dashboard.conftest import NARROW, View
from tests.world import Fault, ScriptedServer, calls, says

HOSTILE = (
    "<script>window.hacked = 1</script><img src='http://evil.example/pixel.png' onerror='window.hacked = 1'>"
    " [refunds](http://evil.example/refund) ![seen](http://evil.example/seen.png) \u202eecilop\u202c"
)
VOUCHERS = f"# Gift vouchers\n\nA gift voucher is valid for three years.\n\n{HOSTILE}\n"


def _ask(page: Page, question: str) -> None:
    box = page.get_by_role("textbox", name="Ask the agent")
    expect(box).to_be_enabled()
    box.fill(question)
    box.press("Enter")


def _route(page: Page, told: str) -> None:
    expect(page.locator(f'svg[aria-label*="{told}"]')).to_be_visible()


def test_a_question_and_its_follow_up_show_their_route_and_open_their_sources_at_the_span(
    served: Callable[[Path], str], visit: Callable[..., View], workspace: Path, tmp_path: Path
) -> None:
    page_of_handbook = Path(shutil.copy(handbook_folder() / "watch.md", tmp_path / "watch.md"))
    add_documents(page_of_handbook)
    address = served(workspace)
    view = visit(address)
    page = view.open("agent", "Agent")
    _route(page, "The graph that a question takes its route through")
    _ask(page, "What does my handbook say about how soon drift is noticed?")
    _route(page, "now there")
    _route(page, "route, then tools, then answer; then the answer was complete")
    expect(page.get_by_text("The embedded router chose")).to_be_visible()
    expect(page.get_by_text("tokens")).to_be_visible()

    page.get_by_text("How soon drift is noticed", exact=False).last.click()
    marked = page.locator("mark").first
    expect(marked).to_contain_text("is noticed after a median of 275 predictions")
    expect(page.get_by_text("lines 70 to 78")).to_be_visible()

    _ask(page, "And how is it tested?")
    expect(page.get_by_test_id("stChatMessage")).to_have_count(4)
    _route(page, "then the answer was complete")
    conversation = page.url.partition("conversation=")[2]
    with open_memory() as memory:
        (known,) = memory.list()
    assert (known.id, known.questions) == (conversation, 2)

    page_of_handbook.write_text("Nothing is left of it.", encoding="utf-8")
    later = visit(address, NARROW, dark=True)
    again = later.open(f"agent?conversation={conversation}", "Agent")
    expect(again.get_by_test_id("stChatMessage")).to_have_count(4)
    again.get_by_text("[1]").first.click()
    expect(again.get_by_text("This is the passage as it was indexed.")).to_be_visible()


def test_visitors_have_their_own_conversations_hostile_words_stay_words_and_an_answer_can_be_stopped(
    served: Callable[[Path], str],
    visit: Callable[..., View],
    workspace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document = tmp_path / "<b>vouchers [x](http:⁄⁄evil.example).md"
    document.write_text(VOUCHERS, encoding="utf-8")
    add_documents(document)
    answer = says(f"Three years [1]. Pigs fly to Mars on Sundays [7]. {HOSTILE}")
    with ScriptedServer(calls("knowledge", query="gift vouchers"), answer, says("You are the second.")) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("BAKEOFF_LLM", "openai:scripted")
        address = served(workspace)
        first, second = visit(address), visit(address, NARROW, dark=True)
        page, other = first.open("agent", "Agent"), second.open("agent", "Agent")
        _ask(page, "How long is a gift voucher valid?")
        _route(page, "then the answer was complete")
        expect(page.get_by_text("The base LLM chose the tools by itself")).to_be_visible()
        expect(page.get_by_text("Pigs fly to Mars on Sundays [7]. [?]", exact=False)).to_be_visible()
        page.get_by_role("link", name="[1]").click()
        assert page.url.endswith("-0-1")
        page.get_by_text("[1] ").last.click()
        expect(page.locator("mark").first).to_contain_text("<script>window.hacked = 1</script>")
        assert page.get_by_text("![seen](http://evil.example/seen.png) \ufffdecilop").count() == 2
        assert page.evaluate("window.hacked") is None
        assert page.get_by_role("link", name="refunds").count() == 0

        _ask(other, "Who am I?")
        expect(other.get_by_text("You are the second.")).to_be_visible()
        expect(other.get_by_text("Three years")).to_have_count(0)
        expect(page.get_by_text("You are the second.")).to_have_count(0)

        server.fail_next(Fault.FORBIDDEN, times=9)
        _ask(other, "And now?")
        expect(other.get_by_text("Expected an answer from openai:scripted")).to_be_visible()
        server.recover()
        server.fail_next(Fault.SILENCE, times=9)
        _ask(other, "And now at last?")
        _route(other, "now there")
        other.get_by_role("button", name="Stop").click()
        _route(other, "was cut off there")
        expect(other.get_by_text("Stopped.")).to_be_visible()
        server.recover()
        server.script.append(says("Still here."))
        _ask(other, "Are you still there?")
        expect(other.get_by_text("Still here.")).to_be_visible()
