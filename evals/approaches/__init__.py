"""The approaches a suite can name, each a class that keeps the contract of evals.approach."""

from evals.approach import Approach
from evals.approaches.baselines import Majority, ZeroShot
from evals.approaches.retrieval import Knn, Rag
from evals.approaches.tuned import Tuned
from evals.suite import Arm, Suite
from finetune import Hyperparameters
from lab.llm import resolve_llm


def build_approach(arm: Arm, suite: Suite) -> Approach:
    """Make the approach that an arm of a suite describes; nothing is loaded or trained yet."""
    match arm.approach:
        case "majority":
            return Majority()
        case "zero_shot":
            return ZeroShot(resolve_llm(arm.llm), suite.instruction)
        case "knn":
            return Knn(arm.k)
        case "rag":
            return Rag(resolve_llm(arm.llm), suite.instruction, arm.k)
        case "linear_probe":
            return Tuned("linear_probe", arm.base, _seeded(arm, suite, method="probe"))
        case "finetuned":
            return Tuned("finetuned", arm.base, _seeded(arm, suite))


def _seeded(arm: Arm, suite: Suite, **changes: str) -> Hyperparameters:
    return arm.hyperparameters.model_copy(update={"seed": suite.seed, **changes})
