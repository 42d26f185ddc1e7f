"""A turn can be left while it waits, and its failure is heard."""

import threading
import time
from collections.abc import Generator

import pytest
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.constants import TAG_NOSTREAM

from agents.interruptible import Interruptible, Stop


def test_a_turn_that_waits_is_left_at_once_and_ends_when_it_hears_again() -> None:
    turns, stop, answered, went_on = Interruptible(), Stop(), threading.Event(), threading.Event()

    def events() -> Generator[str, None, None]:
        yield "first"
        answered.wait(30)
        yield "second"
        went_on.set()

    steps = turns.run(events, stop)
    assert next(steps) == "first"
    start = time.monotonic()
    steps.close()
    assert time.monotonic() - start < 10
    assert turns.left_behind
    answered.set()
    while turns.left_behind:
        time.sleep(0.01)
    assert not went_on.is_set()


def test_what_a_turn_raises_is_raised_to_its_listener() -> None:
    def events() -> Generator[str, None, None]:
        yield "first"
        raise ValueError("no")

    heard = Interruptible().run(events, Stop())
    assert next(heard) == "first"
    with pytest.raises(ValueError, match="no"):
        next(heard)


def test_a_stopped_turn_asks_no_llm_any_more() -> None:
    stop = Stop()
    stop.on_chat_model_start({}, [])
    stop.ask()
    with pytest.raises(KeyboardInterrupt):
        stop.on_chat_model_start({}, [])
    with pytest.raises(KeyboardInterrupt):
        stop.on_llm_new_token("word")
    with pytest.raises(KeyboardInterrupt):
        stop.on_llm_end({})


def test_what_an_llm_says_is_heard_as_it_says_it_unless_it_is_not_for_the_user() -> None:
    stop, chat = Stop(), GenericFakeChatModel(messages=iter(map(AIMessage, ["For the user", "for nobody"])))

    def events() -> Generator[str, None, None]:
        for tags in ([], [TAG_NOSTREAM]):
            yield "".join(chunk.text for chunk in chat.stream("Hello", {"callbacks": [stop], "tags": tags}))

    heard = list(Interruptible().run(events, stop, aloud=True))
    assert heard == ["For", " ", "the", " ", "user", "For the user", "for nobody"]
