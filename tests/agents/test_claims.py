"""What an answer says beyond its evidence is marked."""

import json
from pathlib import Path
from typing import Any

import pytest

from agents.claims import check_claims
from agents.tools.wikipedia import SNAPSHOT
from lab.packages import package_folder
from lab.workspace import read_json
from rag import Evidence

CLAIMS = [json.loads(line) for line in Path(__file__).with_name("claims.jsonl").read_text("utf-8").splitlines()]
CURIE = Evidence(
    "Marie Curie was a physicist and chemist. She shared the 1903 Nobel Prize in Physics.", "a.md", (0, 84), 0.9
)
PENGUINS = Evidence("Penguins are flightless birds of the Southern Hemisphere.", "b.md", (0, 57), 0.8)


@pytest.fixture(scope="module")
def articles() -> dict[str, Evidence]:
    """The Wikipedia summaries that the claims are about."""
    rows: Any = read_json(package_folder(*SNAPSHOT) / "data" / "summaries_en-us.json").values()
    about = {claim["article"] for claim in CLAIMS}
    return {row["title"]: Evidence(row["extract"], row["title"], (0, 1), 1.0) for row in rows if row["title"] in about}


def test_claims_that_were_not_looked_at_are_told_apart(articles: dict[str, Evidence]) -> None:
    titles = list(articles)
    kept_back = [claim for claim in CLAIMS if sorted(titles).index(claim["article"]) % 2]
    right = [
        (check_claims(claim["claim"], [articles[claim["article"]]])[0].n is not None) == claim["stands"]
        for claim in kept_back
    ]
    assert len(right) >= 30
    assert sum(right) / len(right) >= 0.85


def test_each_sentence_is_traced_to_the_passage_it_stands_in() -> None:
    answer = "Marie Curie was a chemist. [1] Penguins cannot fly, they are flightless birds [2]. Bananas are yellow."
    first, second, third = check_claims(answer, [CURIE, PENGUINS])
    assert (first.n, second.n, third.n) == (1, 2, None)
    assert all(answer[slice(*claim.span)] == claim.text for claim in (first, second, third))
    assert first.text.endswith("[1]")


@pytest.mark.parametrize("wrong", ["She shared the 1913 Nobel Prize in Physics.", "She and Linus Pauling shared it."])
def test_a_number_or_a_name_that_is_in_no_passage_is_never_supported(wrong: str) -> None:
    assert check_claims(wrong, [CURIE])[0].n is None


@pytest.mark.parametrize("sentence", ["Would you like to know more?", "I do not know.", "Sure!", ""])
def test_what_claims_nothing_is_not_marked(sentence: str) -> None:
    assert check_claims(sentence, [CURIE]) == []
