"""Questions asked of the agent as users ask them: of one agent, or of its team."""

import re
from collections.abc import Sequence

from agents import Conversation
from agents.tools.catalogue import Catalogue, own_tools
from agents.tools.knowledge import PASSAGES
from evals.approach import Prediction
from evals.approaches.retrieval import IndexedExamples
from lab.errors import BakeoffError
from lab.llm import BaseLLM
from rag import Evidence
from rag.retrieve import RELEVANT, Retriever

TOOL = "knowledge"


class Asked(IndexedExamples):
    """Asks the agent's graph, or the team's, each question in a conversation of its own.

    The one tool on offer searches the suite's documents, as it searches the workspace's in a chat: what differs between
    the two is who works. Whether it is used is the router's decision, as always.
    """

    def __init__(self, llm: BaseLLM, team: bool) -> None:
        super().__init__(PASSAGES)
        self.name = "team" if team else "agent"
        self._llm, self._team = llm, team
        self._catalogue = Catalogue({TOOL: own_tools(search=self._search).tools[TOOL]})

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Ask each question, without memory of the others."""
        return [self._ask(text) for text in texts]

    def _ask(self, question: str) -> Prediction:
        try:
            turn = Conversation(self._llm, self._catalogue, team=self._team).answer(question)
        except BakeoffError as error:
            return Prediction(None, str(error), failure_kind="retryable")
        words = " ".join(re.sub(r"\[\d+\]", " ", turn.answer).split())
        sources = [item.source for item in turn.evidence]
        return Prediction(words, evidence=sources, tokens=turn.tokens, output_tokens=turn.output_tokens)

    def _search(self, query: str) -> list[Evidence]:
        assert self._index is not None, "fit first"
        return Retriever.over(self._index, min_score=RELEVANT).search([query], self._k)[0]
