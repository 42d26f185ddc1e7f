"""Equal tuning budgets, stated: also where the suite's author did not."""

from pathlib import Path

from evals.manifest import run_manifest
from evals.own_data import own_suite
from evals.reporting.method import facts
from evals.suite import Arm, load_suite
from evals.tuning import stated_budgets

FACTS = {"name": "mine", "fingerprint": "f", "train": 9, "validation": 3, "test": 3}


def test_a_suite_without_budgets_has_those_of_its_arms(my_csv: Path) -> None:
    suite, _ = own_suite(str(my_csv), None, {}, None, quick=False, limited=False)
    told = facts(run_manifest(suite.only([], ["zero_shot", "rag"]), FACTS))["budgets"]
    assert told == (
        "One setting per approach, none searched on these texts; on validation texts linear_probe chooses one of three"
        " strengths, finetuned chooses the best of its checkpoints; nothing else is chosen."
    )
    built_in = load_suite("sentiment")
    assert facts(run_manifest(built_in, FACTS))["budgets"] == built_in.budgets
    refitted = (Arm(approach="finetuned", refit=1), Arm(approach="finetuned", name="plain"))
    assert "nothing else is chosen; the weights of finetuned learn these too, once that is chosen." in stated_budgets(
        refitted
    )
    arms = (Arm(approach="mine:Own"), Arm(approach="rag", llm="embedded:smollm2", calibration="batch"))
    assert "the LLM's prior, without labels" in stated_budgets(arms)
    assert stated_budgets(arms).endswith("what mine:Own tries is its author's to say.")
