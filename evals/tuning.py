"""How much each arm was tuned, in words, for a suite whose author does not say it: one on a user's own data."""

from collections.abc import Sequence
from typing import get_args

from evals.suite import ASKING, ApproachName, Arm, Kind

CHOSEN = {  # what an approach chooses by itself, and on validation alone
    "linear_probe": "one of three strengths",
    "finetuned": "the best of its checkpoints",
    "agent": "its classifier's best checkpoint",
}
JOINED = {"cascade": "its classifier's best checkpoint and a threshold", "stacked": "weights and one of four strengths"}


def stated_budgets(arms: Sequence[Arm], kind: Kind = "static") -> str:
    """Return what each arm chooses on validation texts; all else of it is one setting, which nothing searched."""
    told = [f"{arm.key} chooses {_choice(arm, kind)}" for arm in arms if _choice(arm, kind)]
    own = [arm.key for arm in arms if arm.approach not in get_args(ApproachName)]
    lines = ["One setting per approach, none searched on these texts"]
    lines += [f"on validation texts {', '.join(told)}; nothing else is chosen" if told else "nothing is chosen"]
    refitted = [arm.key for arm in arms if arm.refit]
    lines += [f"the weights of {', '.join(refitted)} learn these too, once that is chosen"] if refitted else []
    lines += [f"what {', '.join(own)} tries is its author's to say"] if own else []
    return "; ".join(lines) + "."


def _choice(arm: Arm, kind: Kind) -> str:
    if kind in ASKING:
        return "" if kind == "compound" else "when to be silent"
    if arm.approach == "hybrid":
        return JOINED[arm.form]
    if arm.calibration == "batch":
        return "nothing but the LLM's prior, without labels"
    return CHOSEN.get(arm.approach, "")
