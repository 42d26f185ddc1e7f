"""The approaches a suite can name, each a class that keeps the contract of evals.approach.

Each is imported when a suite names it: what a kNN needs, no worker should have to load for a majority.
"""

from typing import TYPE_CHECKING

from evals.approach import Approach
from evals.suite import ASKING, PLAIN_INSTRUCTION, Arm, Suite

if TYPE_CHECKING:
    from evals.approaches.labelling import Labeller
    from evals.approaches.retrieval import Rag
    from evals.approaches.tuned import Tuned
    from finetune import Hyperparameters


def build_approach(arm: Arm, suite: Suite) -> Approach:
    """Make the approach that an arm of a suite describes; nothing is loaded or trained yet.

    Raises:
        BakeoffError: the base LLM or a class of the user's own cannot be had.
    """
    match arm.approach:
        case name if name in ASKING.get(suite.kind, ()):
            return _answering(arm, suite)
        case "router" | "native":
            return _routing(arm)
        case "majority" | "zero_shot":
            return _baseline(arm, suite)
        case "knn":
            from evals.approaches.retrieval import Knn

            return Knn(arm.k)
        case "rag":
            return _rag(arm, suite)
        case "linear_probe" | "finetuned":
            return _tuned(arm, suite)
        case "hybrid":
            return _hybrid(arm, suite)
        case "agent":
            from evals.approaches.agent import Agent
            from lab.llm import resolve_llm

            return Agent(resolve_llm(arm.llm), suite.instruction, _tuned(arm, suite))
        case _:
            from evals.approaches.own import own_approach

            return own_approach(arm)


def _baseline(arm: Arm, suite: Suite) -> Approach:
    from evals.approaches.baselines import Majority, ZeroShot

    return Majority() if arm.approach == "majority" else ZeroShot(_labeller(arm, suite), suite.instruction)


def _searching(arm: Arm) -> Approach:
    from evals.approaches.searching import Search

    return Search(arm.approach, arm.reranker if arm.approach == "reranked" else None)


def _answering(arm: Arm, suite: Suite) -> Approach:
    """Make an approach whose texts are questions."""
    from evals.answers import Answers
    from evals.approaches.answering import BRIEFLY, ClosedBook, NearestSentence, OpenBook
    from lab.llm import resolve_llm

    told = BRIEFLY if suite.instruction == PLAIN_INSTRUCTION else suite.instruction
    answers = Answers(arm.approach, suite.seed)
    match arm.approach:
        case "dense" | "bm25" | "fused" | "reranked":
            return _searching(arm)
        case "agent" | "team":
            from evals.approaches.asking import Asked

            return Asked(resolve_llm(arm.llm), team=arm.approach == "team")
        case "closed_book":
            return ClosedBook(resolve_llm(arm.llm), answers, told)
        case "knn":
            return NearestSentence(arm.k)
        case _:
            return OpenBook(resolve_llm(arm.llm), answers, arm.k, arm.retrieval, arm.diversity, arm.order, told)


def _routing(arm: Arm) -> Approach:
    from evals.approaches.routing import NativeCalls, Router
    from lab.llm import resolve_llm

    return Router() if arm.approach == "router" else NativeCalls(resolve_llm(arm.llm))


def _tuned(arm: Arm, suite: Suite) -> "Tuned":
    from evals.approaches.tuned import Tuned

    if arm.approach == "linear_probe":
        return Tuned("linear_probe", arm.base, _seeded(arm, suite, method="probe"))
    knobs, reigns = _seeded(arm, suite), suite.kind != "routing"
    return Tuned("finetuned", arm.base, knobs, arm.update_by, arm.least_steps, reigns, arm.refit)


def _hybrid(arm: Arm, suite: Suite) -> Approach:
    from evals.approaches.hybrid import Cascade, Stacked
    from evals.approaches.retrieval import Knn

    if arm.form == "cascade":
        return Cascade(_tuned(arm, suite), _rag(arm, suite), arm.validation_texts)
    parts: list[Approach] = [_tuned(arm, suite), _rag(arm, suite), Knn(arm.k, counted=False)]
    return Stacked(parts, arm.validation_texts, suite.seed)


def _rag(arm: Arm, suite: Suite) -> "Rag":
    from evals.approaches.retrieval import Rag, Shots

    shots = Shots(arm.k, arm.order, arm.diversity, arm.retrieval, suite.seed)
    return Rag(_labeller(arm, suite), suite.instruction, shots)


def _labeller(arm: Arm, suite: Suite) -> "Labeller":
    from evals.answers import Answers
    from evals.approaches.labelling import Labeller
    from lab.llm import resolve_llm

    answers = Answers(arm.approach, suite.seed)
    return Labeller(resolve_llm(arm.llm), answers, arm.calibration, arm.validation_texts)


def _seeded(arm: Arm, suite: Suite, **changes: str) -> "Hyperparameters":
    return arm.hyperparameters.model_copy(update={"seed": suite.seed, **changes})
