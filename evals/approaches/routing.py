"""Routers under the judge: the embedded one, and an LLM's native tool calling; what they call is their label."""

from collections.abc import Sequence
from typing import Any, Self

from langchain_core.messages import AIMessage, HumanMessage

from agents.prompts import route_prompt
from agents.router import EmbeddedRouter, likeliest
from agents.routing.utterances import TOOLS, Utterance, joined
from agents.tools.catalogue import offered_tools, web_tool
from evals.approach import Fit, Prediction
from lab.datasets import Dataset
from lab.llm import BaseLLM
from lab.redact import reason
from lab.settings import settings


class Router:
    """The embedded router as the agent has it; its label is the likeliest, whether it would act on it or ask."""

    name = "router"

    def __init__(self) -> None:
        self.fitted = Fit()
        self._router: EmbeddedRouter | None = None

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Take the agent's router, which learned from the same utterances, in the order in which they name tools."""
        self._router = EmbeddedRouter.load()
        self.fitted = Fit(self._router.learned.seconds)
        return self

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Read each text after its earlier turns; of several requests in it, their tools together are the label."""
        return [self._predict(Utterance.of(text, "")) for text in texts]

    def update(self, new: Dataset, gone: Dataset | None = None) -> Self:
        """Learn nothing: what the agent's router learns from stands in agents/utterances.yaml."""
        return self

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
    usage = answer.usage_metadata
    tokens, written = (usage["total_tokens"], usage["output_tokens"]) if usage else (0, 0)
    names = [call["name"] for call in answer.tool_calls]
    unknown = [name for name in names if name not in TOOLS]
    if unknown:
        why = f"called {unknown[0]!r}, which is no tool"
        return Prediction(None, why, tokens=tokens, failure_kind="permanent", output_tokens=written)
    return Prediction(joined(names), tokens=tokens, output_tokens=written)
