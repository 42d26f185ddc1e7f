"""The handbook has a page for each knob, and its tables are those of the numbers that its curves are drawn of."""

import json
import re

import pytest

from benchmarks.knob_curves import CLOSE, LIBRARY, OPEN, PAGES, table
from finetune.hyperparameters import Hyperparameters


@pytest.mark.parametrize("knob", Hyperparameters.model_fields)
def test_each_knob_has_a_page_that_names_its_flag(knob: str) -> None:
    listed = (PAGES / "README.md").read_text(encoding="utf-8").splitlines()
    row = next(line for line in listed if line.startswith("| [") and (f"[{knob}]" in line or f"`{knob}`" in line))
    page = re.search(r"\]\((\w+\.md)\)", row)
    assert page
    assert f"--{knob.replace('_', '-')}" in (PAGES / page[1]).read_text(encoding="utf-8")


def test_each_page_has_a_curve() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} - {"README"} == set(LIBRARY)


@pytest.mark.parametrize("name", LIBRARY)
def test_a_page_tells_its_curve_s_numbers(name: str) -> None:
    page = LIBRARY[name]
    document = json.loads((PAGES / "curves" / f"{name}.json").read_text(encoding="utf-8"))
    runs = document["runs"]
    assert [(run["setting"], run["knobs"], run["data"]) for run in runs] == [
        (setting.name, setting.knobs, setting.data) for setting in page.settings
    ]
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    shown = text.partition(OPEN)[2].partition(CLOSE)[0].strip()
    assert shown == table(page, runs)
    assert document["command"] in text
    assert f"(curves/{name}.svg)" in text
    drawn = (PAGES / "curves" / f"{name}.svg").read_text(encoding="utf-8")
    assert all(run["setting"] in drawn for run in runs)
