"""Routers under the judge: the embedded one, and an LLM's native tool calling; what they call is their label."""

import time
from collections.abc import Sequence
from typing import Any, Self

from langchain_core.messages import AIMessage, HumanMessage

from agents.prompts import route_prompt
from agents.router import EmbeddedRouter, likeliest
from agents.routing.utterances import TOOLS, Utterance, joined
from agents.tools.catalogue import offered_tools, web_tool
from evals.approach import Fit, Prediction, together
from lab.datasets import Dataset
from lab.embeddings import Embedder
from lab.llm import BaseLLM
from lab.redact import reason
from lab.settings import settings


class Router:
    """The embedded router as the agent has it; its label is the likeliest, whether it would act on it or ask."""

    name = "router"

    def __init__(self) -> None:
        self.fitted = Fit()
        self._train: Dataset | None = None
        self._router: EmbeddedRouter | None = None

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Learn from the utterances; its confidence is calibrated on these too, by cross-fitting."""
        start = time.perf_counter()
        self._train = train
        spoken = [Utterance.of(example.text, example.label) for example in train.examples]
        self._router = EmbeddedRouter(Embedder.load(), spoken)
        self.fitted = Fit(time.perf_counter() - start)
        return self

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Read each text after its earlier turns; of several requests in it, their tools together are the label."""
        return [self._predict(Utterance.of(text, "")) for text in texts]

    def update(self, new: Dataset, gone: Dataset | None = None) -> Self:
        """Learn anew."""
        assert self._train is not None, "fit first"
        return self.fit(together(self._train, new, gone), new)

    def _predict(self, said: Utterance) -> Prediction:
        assert self._router is not None, "fit first"
        readings = self._router.read(said.text, said.history)
        label, score = likeliest(readings)
        if len(readings) == 1:
            return Prediction(label, scores=dict(readings[0].scores))
        return Prediction(label, scores={label: score})


class NativeCalls:
    """An LLM that is offered all tools, as the agent offers them, and answers or calls."""

    name = "native"

    def __init__(self, llm: BaseLLM) -> None:
        self.fitted = Fit()
        self._llm = llm

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Learn nothing: the tools' descriptions are all it knows."""
        return self

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Let the LLM choose for each text after its earlier turns; as many at a time as the settings allow."""
        tools = offered_tools().tools | {"web": web_tool()}
        bound = self._llm.chat.bind_tools([tools[name] for name in TOOLS])
        told = [Utterance.of(text, "") for text in texts]
        prompts: list[Any] = [route_prompt([HumanMessage(turn) for turn in (*one.history, one.text)]) for one in told]
        limits: Any = {"max_concurrency": settings().concurrency}
        return [_called(answer) for answer in bound.batch(prompts, limits, return_exceptions=True)]

    def update(self, new: Dataset, gone: Dataset | None = None) -> Self:
        """Learn nothing."""
        return self


def _called(answer: AIMessage | Exception) -> Prediction:
    if not isinstance(answer, AIMessage):
        return Prediction(None, f"{type(answer).__name__}: {reason(answer)}", failure_kind="retryable")
    tokens = answer.usage_metadata["total_tokens"] if answer.usage_metadata else 0
    names = [call["name"] for call in answer.tool_calls]
    unknown = [name for name in names if name not in TOOLS]
    if unknown:
        return Prediction(None, f"called {unknown[0]!r}, which is no tool", tokens=tokens, failure_kind="permanent")
    return Prediction(joined(names), tokens=tokens)
