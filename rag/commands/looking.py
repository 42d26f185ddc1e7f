"""`bakeoff index search`, `show`, `status` and `verify`."""

from dataclasses import asdict
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from lab.command_app import Json
from lab.console import Console
from lab.errors import BakeoffError, GateFailed


class How(StrEnum):
    """What passages are found by."""

    DENSE = "dense"
    BM25 = "bm25"
    FUSED = "fused"


def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    k: Annotated[int, typer.Option("-k", min=1, max=100, help="How many passages.")] = 4,
    how: Annotated[How, typer.Option(help="By meaning, by words (BM25), or by both.")] = How.FUSED,
    rerank: Annotated[
        str | None, typer.Option(help="Rank the best anew: embedded:minilm, or a cross-encoder's id or folder.")
    ] = None,
    min_score: Annotated[
        float | None,
        typer.Option(
            help="Say that nothing was found below this cosine similarity; default: the agent's; -1: never say so."
        ),
    ] = None,
    diversity: Annotated[
        float, typer.Option(min=0, max=1, help="From 0, the best passages, to 1, those least like one another.")
    ] = 0.0,
    source: Annotated[str, typer.Option(help="Only in sources that fit this glob: 'faq.md', 'notes/*'.")] = "",
    label: Annotated[str, typer.Option(help="Only labelled examples with this label.")] = "",
    json: Json = False,
) -> None:
    """Show the passages that fit a query best, with their places."""
    from lab.settings import settings
    from rag.generations import document_index
    from rag.index import as_documents
    from rag.passages import Within
    from rag.retrieve import RELEVANT, search_documents

    if not query.strip():
        raise BakeoffError("something to look for", "nothing", "name it in a few words")
    within = Within(source, label) if source or label else None
    least = RELEVANT if min_score is None else min_score
    evidence = search_documents(query, k, how.value, rerank or settings().reranker, least, within, diversity)
    if json:
        Console().document(as_documents(evidence))
        return
    if not evidence:
        Console().note(
            f"nothing relevant was found: no passage has a score of {least:g}; show the nearest with: --min-score -1"
            if len(document_index())
            else "the index is empty; fill it with: bakeoff index add"
        )
    for number, item in enumerate(evidence, 1):
        Console().answer(
            f"[{number}] {_where(item.source, item.span, item.place)}  score {item.score:.3f}  {item.id}\n{item.text}\n"
        )


def show(
    citation: Annotated[str, typer.Argument(help="A passage's id, or SOURCE:START-END as `search` prints it.")],
    around: Annotated[int, typer.Option(min=0, help="Characters to show before and after.")] = 200,
    json: Json = False,
) -> None:
    """Open a citation: the very words in their source as it is now, with what stands around them."""
    from rag.citations import opened

    cited = opened(citation, around)
    if json:
        Console().document(asdict(cited))
        return
    marked = "\n".join(f"│ {line}" for line in cited.text.splitlines())
    Console().answer(f"{_where(cited.source, cited.span, cited.place)}\n{cited.before}\n{marked}\n{cited.after}")


def status(json: Json = False) -> None:
    """Tell what the index holds, how it was made, and what is unfinished or contradicts itself."""
    from rag.status import status as told

    found = told()
    if json:
        Console().document(found)
        return
    if not found["targets"] and not found["examples"]:
        Console().note("there is no index yet; make one with: bakeoff index add")
        return
    Console().table(["index of documents", ""], _facts(found))
    columns = ["target", "sources", "passages", "last sync"]
    rows = [[one["target"], one["sources"], one["passages"], _when(one["synced_at"])] for one in found["targets"]]
    Console().table(columns, rows)
    if found["examples"]:
        Console().table(
            ["labelled examples", "passages", "embeddings", "built in (s)", "last sync"],
            [
                [
                    row["index"],
                    row["passages"],
                    row["embeddings"],
                    f"{row['built_seconds']:.1f}",
                    _when(row["synced_at"]),
                ]
                for row in found["examples"]
            ],
        )
    for line in found["inconsistent"]:
        Console().warn(line)


def verify(
    sample: Annotated[int, typer.Option(min=0, help="How many passages to embed again.")] = 32, json: Json = False
) -> None:
    """Prove the index: read every source again and compare; exits with 3 if the two differ.

    Compares the passages, their texts and places, finds what is missing, left over, stored twice or without a vector,
    and embeds some passages again. Nothing is changed.
    """
    from rag.verify import verify as prove

    proof = prove(sample)
    if json:
        findings = [asdict(finding) for finding in proof.findings]
        Console().document({**asdict(proof), "findings": findings, "ok": not findings})
    elif proof.findings:
        rows = [[one.kind, one.passages, one.source, one.fix] for one in proof.findings]
        Console().table(["finding", "passages", "source", "what mends it"], rows)
    else:
        Console().answer(
            f"as its sources say: {proof.passages} passages of {proof.sources} sources; {proof.vectors} embedded again"
        )
    if proof.findings:
        fixes = " and ".join(dict.fromkeys(finding.fix for finding in proof.findings))
        raise GateFailed("an index that says what its sources say", f"{len(proof.findings)} findings", f"run: {fixes}")


def _facts(found: dict[str, Any]) -> list[list[object]]:
    """Return the rows of the table that has no columns."""
    faults = sum(one["fault"] for one in found["skipped"])
    size = "on the server" if found["bytes"] is None else f"{found['bytes'] / 1e6:.1f} MB"
    others = [f"{one['embeddings']} ({one['state']})" for one in found["generations"] if one["state"] != "active"]
    return [
        ["passages", f"{found['passages']} of {found['sources']} sources"],
        ["skipped", f"{faults} for a fault, {len(found['skipped']) - faults} passed over"],
        ["embeddings", f"{found['embeddings']}, {found['dimension']} dimensions"],
        ["other indexes", ", ".join(others) or "none"],
        ["size", f"{size} in {found['place']}"],
        ["last sync", _when(found["synced_at"])],
        ["unfinished", f"{len(found['pending'])} sources" if found["pending"] else "nothing"],
    ]


def _where(source: str, span: tuple[int, int], place: str) -> str:
    return f"{source}:{span[0]}-{span[1]}" + (f"  {place}" if place else "")


def _when(epoch: float | None) -> str:
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="seconds") if epoch else "never"
