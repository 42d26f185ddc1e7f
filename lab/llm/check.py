"""Does a base LLM answer, call tools, give log-probs, and how fast?"""

import time
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage

from lab.errors import BakeoffError
from lab.llm.resolve import BaseLLM, resolve_llm
from lab.redact import reason

QUESTION = "What is the capital of France? Answer in one word."


def check_llm(name: str) -> dict[str, Any]:
    """Ask the model three small things and return what it can do.

    Returns a dict: llm, answer (str), tool_calling, logprobs (bool), seconds_to_first_token, tokens_per_second.

    Raises:
        BakeoffError: it does not answer at all.
    """
    llm = resolve_llm(name)
    try:
        next(iter(llm.chat.stream("Hi")))  # loads what must be loaded, so that the speed below is the warm one
        answer, first, rate = _timed_answer(llm)
    except BakeoffError:
        raise
    except Exception as error:  # each provider's client has errors of its own
        why = f"{type(error).__name__}: {reason(error)}"
        fix = "check the server, the key and the model's name"
        raise BakeoffError(f"an answer from {name}", why, fix) from error
    return {
        "llm": llm.name,
        "answer": answer,
        "tool_calling": not llm.embedded and _calls_tools(llm),
        "logprobs": _gives_log_probs(llm),
        "seconds_to_first_token": round(first, 3),
        "tokens_per_second": round(rate, 1),
    }


def _timed_answer(llm: BaseLLM) -> tuple[str, float, float]:
    pieces: list[str] = []
    start, first, tokens = time.perf_counter(), 0.0, 0
    for chunk in llm.chat.stream([HumanMessage(QUESTION)]):
        if chunk.text and not pieces:
            first = time.perf_counter() - start
        pieces += [chunk.text] if chunk.text else []
        tokens += chunk.usage_metadata["output_tokens"] if chunk.usage_metadata else 0
    tokens = tokens or len(pieces)  # a provider that does not count: a piece is about a token
    writing = time.perf_counter() - start - first
    return "".join(pieces).strip(), first, (tokens - 1) / writing if tokens > 1 else 0.0


def _calls_tools(llm: BaseLLM) -> bool:
    def weather(city: str) -> str:
        """Tell the weather in a city."""
        return city

    try:
        answer = llm.chat.bind_tools([weather]).invoke("What is the weather in Oslo? Use the tool.")
    except Exception:  # a refusal is the answer: it takes no tools
        return False
    return isinstance(answer, AIMessage) and bool(answer.tool_calls)


def _gives_log_probs(llm: BaseLLM) -> bool:
    if llm.embedded:
        return True
    try:
        answer = llm.chat.invoke("Say yes or no.", logprobs=True, top_logprobs=2, max_tokens=2)
    except Exception:  # a refusal is the answer: it gives none
        return False
    return bool((answer.response_metadata.get("logprobs") or {}).get("content"))
