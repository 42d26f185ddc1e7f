"""Several trainings made one classifier: the mean of their weights, and what is told of them together."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

import torch

from finetune.estimate import Estimate


@torch.no_grad()
def average_into(model: torch.nn.Module, others: Iterable[torch.nn.Module]) -> None:
    """Give a model the mean of its weights and those of others: a uniform soup, which predicts as fast as one of them.

    They have one architecture and began with the same weights (Wortsman et al. 2022, Model soups, arXiv 2203.05482).
    """
    weights = {name: weight for name, weight in model.state_dict().items() if weight.is_floating_point()}
    sums, count = {name: weight.float() for name, weight in weights.items()}, 1  # bfloat16 would be rounded each time
    for other in others:
        added, count = other.state_dict(), count + 1
        for name, total in sums.items():
            total += added[name]
    for name, weight in weights.items():
        weight.copy_(sums[name] / count)


def joint_card(cards: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the card of trainings of one setting: the first's, with the time, the findings and the mean loss of all.

    The steps, the epochs and the curve are those of one of them; `averaged` says how many there were.
    """
    estimate = reduce(Estimate.then, (Estimate.of(card["estimate"]) for card in cards))
    resumed, seconds = any(card["resumed_at"] for card in cards), sum(card["seconds"] for card in cards)
    return cards[0] | {
        "averaged": len(cards),
        "seconds": round(seconds, 2),
        "fit_seconds": round(sum(card["fit_seconds"] for card in cards), 2),
        "train_loss": round(sum(card["train_loss"] for card in cards) / len(cards), 4),
        "findings": list(dict.fromkeys(finding for card in cards for finding in card["findings"])),
        "resumed_at": max(card["resumed_at"] for card in cards),
        "estimate": estimate.document() | {"off_by": None if resumed else round(seconds / estimate.seconds - 1, 3)},
    }
