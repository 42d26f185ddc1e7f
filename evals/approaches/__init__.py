"""The approaches a suite can name, each a class that keeps the contract of evals.approach."""

from evals.approach import Approach
from evals.approaches.agent import Agent
from evals.approaches.baselines import Majority, ZeroShot
from evals.approaches.hybrid import Cascade, Stacked
from evals.approaches.labelling import Labeller
from evals.approaches.own import own_approach
from evals.approaches.retrieval import Knn, Rag, Shots
from evals.approaches.tuned import Tuned
from evals.suite import Arm, Suite
from finetune import Hyperparameters
from lab.llm import resolve_llm


def build_approach(arm: Arm, suite: Suite) -> Approach:
    """Make the approach that an arm of a suite describes; nothing is loaded or trained yet.

    Raises:
        BakeoffError: the base LLM or a class of the user's own cannot be had.
    """
    match arm.approach:
        case "majority":
            return Majority()
        case "zero_shot":
            return ZeroShot(_labeller(arm), suite.instruction)
        case "knn":
            return Knn(arm.k)
        case "rag":
            return _rag(arm, suite)
        case "linear_probe":
            return Tuned("linear_probe", arm.base, _seeded(arm, suite, method="probe"))
        case "finetuned":
            return _finetuned(arm, suite)
        case "hybrid" if arm.form == "cascade":
            return Cascade(_finetuned(arm, suite), _rag(arm, suite), arm.validation_texts)
        case "hybrid":
            parts: list[Approach] = [_finetuned(arm, suite), _rag(arm, suite), Knn(arm.k, counted=False)]
            return Stacked(parts, arm.validation_texts, suite.seed)
        case "agent":
            return Agent(resolve_llm(arm.llm), suite.instruction, _finetuned(arm, suite))
        case _:
            return own_approach(arm)


def _finetuned(arm: Arm, suite: Suite) -> Tuned:
    return Tuned("finetuned", arm.base, _seeded(arm, suite), arm.update_by, arm.least_steps)


def _rag(arm: Arm, suite: Suite) -> Rag:
    shots = Shots(arm.k, arm.order, arm.diversity, arm.retrieval, suite.seed)
    return Rag(_labeller(arm), suite.instruction, shots)


def _labeller(arm: Arm) -> Labeller:
    return Labeller(resolve_llm(arm.llm), arm.calibration, arm.validation_texts)


def _seeded(arm: Arm, suite: Suite, **changes: str) -> Hyperparameters:
    return arm.hyperparameters.model_copy(update={"seed": suite.seed, **changes})
