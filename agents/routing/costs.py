"""When to act, when to act twice, and when to ask: whatever costs least, by the router's own probabilities.

The rule is Chow's (1970, IEEE Transactions on Information Theory 16): with calibrated probabilities nothing is left to
tune but what mistakes cost. A decision that lacks the tool a question needs costs 1.
"""

from collections.abc import Mapping

from agents.routing.utterances import AND, NO_TOOL

SECOND, ASK = 0.3, 0.5  # what it costs to run a needless tool beside the right one, and to bother the user

_OFFERS = {
    "wikipedia": "look it up in Wikipedia",
    "web": "search the web",
    "knowledge": "search your documents and the handbook",
    "classify": "classify a text",
    "alerts": "look at the alerts of your trainings and models",
    NO_TOOL: "just answer",
}


def act(scores: Mapping[str, float]) -> str | None:
    """Return the label to act on: the likeliest, the two likeliest tools together, or None: then ask.

    That makes two thresholds: a second tool runs too if its probability is at least SECOND; the user is asked if even
    so the right one is missed with a probability above ASK.

    Args:
        scores: a probability per label.
    """
    ranked = sorted(scores, key=lambda label: -scores[label])[:2]
    costs = {ranked[0]: 1 - scores[ranked[0]]}
    if len(ranked) == 2 and not any(label == NO_TOOL or AND in label for label in ranked):
        costs[AND.join(ranked)] = 1 - sum(scores[label] for label in ranked) + SECOND
    cheapest = min(costs, key=lambda label: costs[label])
    return cheapest if costs[cheapest] <= ASK else None


def question_back(scores: Mapping[str, float]) -> str:
    """Return what to ask the user who may mean either of the two likeliest routes."""
    likeliest = sorted(scores, key=lambda route: -scores[route])[:2]
    first, second = sorted(likeliest, key=lambda route: route == NO_TOOL)
    return f"I am not sure what would help: shall I {_OFFERS[first]}, or {_OFFERS[second]}?"
