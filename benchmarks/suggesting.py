"""`bakeoff suggest`: how fast it answers over 10,000 past cases, and how early its warning is right.

`python -m benchmarks.suggesting` trains a champion on all training tweets in two passes, indexes 10,000 human-rated
texts as past cases, and asks for suggestions with the beginnings of test tweets, one at a time, as somebody types. The
goal is a 95th percentile of 50 ms on two cores. The second table is of all test tweets at 25, 50, 75 and 100 % of their
characters: how many get a warning, how often it is the label that the champion gives the whole text, and how often it
is the true one.
"""

import time
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import typer

from agents.suggest import Foresight, Suggester, Warned
from agents.suggest.foresight import CUTS, SURE, beginnings
from benchmarks.side_by_side import markdown, present, small_champion, spoken, warn_if_busy
from lab.command_app import Json, command_app
from lab.console import Console
from lab.datasets import Dataset, load_dataset
from lab.datasets.study import SETS
from rag import Index, example_index, example_passages

GOAL_MS = 50.0

app = command_app()


@app.command()
def main(
    cases: Annotated[int, typer.Option(min=100, max=20_000, help="How many past cases there are.")] = 10_000,
    states: Annotated[int, typer.Option(min=20, max=5_000, help="How many states of a text are timed.")] = 500,
    tweets: Annotated[int, typer.Option(min=100, help="How many tweets the champion learns from, at most.")] = 4_200,
    json: Json = False,
) -> None:
    """Time suggestions over many cases, and measure how early the warning is right."""
    warn_if_busy()
    with small_champion(tweets, epochs=2) as (folder, split):
        from finetune import champion

        foresight = Foresight.measured(folder.name, champion()[1], split.validation)
        held_out = set(split.validation.texts) | set(split.test.texts)
        suggester = Suggester(_index(_past_cases(cases, held_out)), foresight)
        taken = _times(suggester, split.test.texts, states)
        early = [_early(foresight, split.test, cut) for cut in CUTS]
    p50, p95 = (float(np.percentile(taken, share)) for share in (50, 95))
    speed = {"cases": cases, "states": states, "p50_ms": p50, "p95_ms": p95, "goal_ms": GOAL_MS}
    document: dict[str, Any] = {"speed": speed | {"met": p95 <= GOAL_MS}, "sure": SURE, "early": early}
    present("suggesting", document, _tables(document), json)


def _past_cases(count: int, held_out: set[str]) -> Dataset:
    """Return so many texts of the study's sets, none of which is held out."""
    examples = [example for name in SETS for example in load_dataset(name).examples if example.text not in held_out]
    return Dataset("past cases", tuple(examples[:: max(1, len(examples) // count)][:count]))


def _index(data: Dataset) -> Index:
    Console().note(f"indexing {len(data):,} past cases …")
    index = example_index(data.fingerprint)
    index.sync(example_passages((example.text, example.label, example.source) for example in data.examples))
    return index


def _times(suggester: Suggester, texts: Sequence[str], states: int) -> list[float]:
    """Return the milliseconds of each state: beginnings of texts of every length, one after the other."""
    typed = [state for cut in CUTS for state in beginnings(texts, cut)]
    spread = [typed[int(number)] for number in np.linspace(0, len(typed) - 1, states)]
    for state in spread[:20]:
        suggester.suggest(state)  # warm
    taken = []
    for state in spread:
        start = time.perf_counter()
        suggester.suggest(state)
        taken.append((time.perf_counter() - start) * 1000)
    return taken


def _early(foresight: Foresight, test: Dataset, cut: float) -> dict[str, Any]:
    """Return what warnings are worth at a share of the characters, with the usual threshold and without."""
    found = foresight.foresee(list(beginnings(test.texts, cut)))
    whole = [_label(warned) for warned in foresight.foresee(test.texts)]
    warned = [number for number, one in enumerate(found) if one is not None and one.probability >= SURE]
    told = [number for number, one in enumerate(found) if one is not None]

    def share(numbers: Sequence[int], labels: Sequence[str | None]) -> float | None:
        return float(np.mean([_label(found[n]) == labels[n] for n in numbers])) if numbers else None

    return {
        "characters": cut,
        "warned": len(warned) / len(test),
        "warned_as_whole": share(warned, whole),
        "warned_true": share(warned, test.targets),
        "said": float(np.mean([found[n].probability for n in warned])) if warned else None,  # type: ignore[union-attr]
        "label_as_whole": share(told, whole),
        "n": len(test),
    }


def _label(warned: Warned | None) -> str | None:
    return warned.label if warned else None


def _tables(document: dict[str, Any]) -> list[str]:
    speed = document["speed"]
    row = [f"{speed['cases']:,}", f"{speed['p50_ms']:.1f}", f"{speed['p95_ms']:.1f}", f"{GOAL_MS:g}"]
    told = ("warned", "warned_as_whole", "warned_true", "said", "label_as_whole")
    rows = [[f"{one['characters']:.0%}", *(_percent(one[key]) for key in told)] for one in document["early"]]
    headers = ["characters", "warned", "as for the whole text", "true", "probability told", "as whole, warned or not"]
    return [
        markdown(["past cases", "p50, ms", "p95, ms", "goal for p95", "verdict"], [[*row, spoken(speed["met"])]]),
        markdown(headers, rows),
        f"A warning comes from a probability of {SURE:.0%} on; {document['early'][0]['n']} test tweets.",
    ]


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


if __name__ == "__main__":
    app()
