"""What a prompt holds of a long conversation: its last exchanges as they were, and a summary of those before."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langchain_core.messages.utils import count_tokens_approximately

from agents.prompts import NO_ANSWER, RECALL, is_speech, summary_prompt, text_of
from agents.state import State, Summary, turn_messages
from lab.embeddings import Embedder
from lab.llm import BaseLLM
from lab.settings import settings

EMBEDDED_TOKENS = 400  # of talk before the question: what two cores read in about a second
MOST_TOKENS = 16_000  # that talk may cost at every question, however much an LLM could hold
TOKEN = 4  # characters, about
WORD = 6  # characters with its space, about
RELEVANCE = 0.7  # of a sentence, against being unlike those already chosen
SPEAKERS = {"human": "User", "ai": "Assistant"}


@dataclass(frozen=True)
class Summarised:
    """A new summary, what to tell the user about it, and what the base LLM said for it, if it was asked."""

    summary: Summary
    note: str
    said: list[AnyMessage]


def past_tokens(llm: BaseLLM) -> int:
    """Return how many tokens of the talk before a question a prompt may hold: half of what the LLM can read."""
    if llm.embedded:
        return EMBEDDED_TOKENS
    known = (llm.chat.profile or {}).get("max_input_tokens")
    return min((known or settings().context_tokens) // 2, MOST_TOKENS)


def recalled(state: State, llm: BaseLLM) -> list[AnyMessage]:
    """Return the messages a prompt is made of: the summary as an exchange, what was said since, and this turn's own.

    A message too long for the prompt is cut in its middle; what the memory holds stays whole.
    """
    turn = turn_messages(state["messages"])
    before = state["messages"][: len(state["messages"]) - len(turn)]
    summary = state.get("summary")
    room = past_tokens(llm)
    spoken = [_shortened(message, room) for message in _unsummarised(before, summary, llm)]
    opening: list[AnyMessage] = [HumanMessage(RECALL), AIMessage(summary["text"])] if summary else []
    return [*opening, *spoken, *turn]


def has_outgrown(messages: Sequence[AnyMessage], summary: Summary | None, llm: BaseLLM) -> bool:
    """Say whether what was said since the summary, and this, are more than a prompt may hold."""
    tokens = _tokens(_unsummarised(messages, summary, llm))
    return tokens + len(summary["text"] if summary else "") // TOKEN > past_tokens(llm)


def summarise(messages: Sequence[AnyMessage], summary: Summary | None, llm: BaseLLM) -> Summarised | None:
    """Return a summary of all but the last exchanges when the talk has outgrown the prompt; None while it has not.

    The base LLM writes it. An embedded one is too small for that, and what is longer than an LLM can read it cannot
    summarise either; then sentences are chosen from the talk instead, and the note says so.
    """
    if not has_outgrown(messages, summary, llm):
        return None
    room, spoken = past_tokens(llm), _unsummarised(messages, summary, llm)
    old = spoken[: _first_kept(spoken, room // 2)]
    if not old:
        return None
    lines = [*(summary["text"].splitlines() if summary else ()), *map(_line, old)]
    words = room * TOKEN // 4 // WORD
    text, how, answers = _written(lines, words, llm)
    upto = old[-1].id
    assert upto, "messages in a state have ids"
    return Summarised(Summary(text=text, upto=upto), f"the conversation's beginning was {how}", answers)


def _unsummarised(messages: Sequence[AnyMessage], summary: Summary | None, llm: BaseLLM) -> list[AnyMessage]:
    """Return what was said after the summary ends; for an embedded LLM not what got no answer, which it says again."""
    upto = summary and summary["upto"]
    start = next((n + 1 for n, message in enumerate(messages) if upto and message.id == upto), 0)
    spoken = [message for message in messages[start:] if is_speech(message)]
    if not llm.embedded:
        return spoken
    unanswered = {n for n, message in enumerate(spoken) if message.type == "ai" and text_of(message) == NO_ANSWER}
    return [message for n, message in enumerate(spoken) if not {n, n + 1} & unanswered]


def _first_kept(said: Sequence[AnyMessage], room: int) -> int:
    """Return where the exchanges begin that stay as they are: as many of the last as fit in `room`, one at least."""
    starts = [place for place, message in enumerate(said) if message.type == "human"]
    fitting = [start for start in starts if _tokens(said[start:]) <= room]
    return min(fitting) if fitting else max(starts, default=0)


def _written(lines: Sequence[str], words: int, llm: BaseLLM) -> tuple[str, str, list[AnyMessage]]:
    """Return the summary, how it was made, and what the base LLM said for it."""
    by_sentences = f"shortened to its most telling sentences: {llm.name} "
    if llm.embedded:
        return extract(lines, words), by_sentences + "is too small to summarise", []
    talk = "\n".join(lines)
    if len(talk) > 2 * past_tokens(llm) * TOKEN:
        return extract(lines, words), by_sentences + "could not read it whole", []
    try:
        answer = llm.chat.invoke(summary_prompt(talk, words))
    except Exception as error:  # each provider's client has errors of its own; the question itself may yet be answered
        return extract(lines, words), by_sentences + f"did not summarise it ({type(error).__name__})", []
    text = answer.text.strip()[: 2 * words * WORD] or extract(lines, words)
    return text, f"summarised by {llm.name}", [answer]


def extract(lines: Sequence[str], words: int) -> str:
    """Return the sentences that say most of what all of them say, at most `words` words of them, in their order.

    A sentence is worth its mean cosine similarity to all (LexRank's degree centrality, Erkan & Radev 2004), less its
    likeness to those already chosen (maximal marginal relevance, Carbonell & Goldstein 1998).

    Args:
        lines: each "User: …" or "Assistant: …"; the speaker is named again before each chosen sentence.
        words: how many words to keep.
    """
    sentences = [sentence[: words * WORD] for line in lines for sentence in _sentences(line)]
    if not sentences:
        return ""
    vectors = Embedder.load().embed(sentences)
    alike = vectors @ vectors.T
    worth, room, chosen = alike.mean(axis=1), words, list[int]()
    while len(chosen) < len(sentences):
        near = alike[:, chosen].max(axis=1) if chosen else np.zeros(len(sentences))
        gain = RELEVANCE * worth - (1 - RELEVANCE) * near
        gain[chosen] = -np.inf
        best = int(gain.argmax())
        if (room := room - _words(sentences[best])) < 0:
            break
        chosen.append(best)
    return "\n".join(sentences[place] for place in sorted(chosen)) or sentences[0]


def _words(sentence: str) -> int:
    """Return how many words there are, or would be of usual length: not every writing parts them."""
    return max(len(sentence.split()), len(sentence) // WORD)


def _sentences(line: str) -> list[str]:
    said = re.fullmatch(rf"((?:{'|'.join(SPEAKERS.values())}): )?(.*)", line)
    speaker, text = said.groups(default="") if said else ("", line)
    return [speaker + sentence for sentence in re.split(r"(?<=[.!?])\s+", text) if sentence]


def _line(message: AnyMessage) -> str:
    return f"{SPEAKERS[message.type]}: {' '.join(message.text.split())}"


def _tokens(messages: Sequence[AnyMessage]) -> int:
    return count_tokens_approximately(messages)


def _shortened(message: AnyMessage, room: int) -> AnyMessage:
    """Return the message, its middle left out if it is longer than half the room."""
    longest = room // 2 * TOKEN
    text = text_of(message)
    if len(text) <= longest:
        return message
    text = f"{text[: longest // 2]} … {text[-longest // 2 :]}"
    return message.model_copy(update={"content": text})
