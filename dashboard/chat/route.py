"""The route of a question, drawn on the compiled graph: its own nodes and edges, those taken marked."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from itertools import pairwise
from typing import Literal

from evals.charts.chart import BLUE, GREY

START, END = "__start__", "__end__"
WIDTH, ROW, NODE_WIDTH, NODE_HEIGHT, DOT, BEND = 260, 54, 112, 34, 7, 22  # pixels
SIGNS = {"taken": "✓ ", "now": "▸ ", "cut": "✗ ", "open": ""}

Edge = tuple[str, str]
Ending = Literal["under way", "answered", "cut off"]
Mark = Literal["taken", "now", "cut", "open"]


@dataclass(frozen=True)
class Plan:
    """A graph as it is drawn: its nodes from top to bottom, and its edges."""

    nodes: tuple[str, ...]
    edges: tuple[Edge, ...]


@cache
def plan_of(team: bool) -> Plan:
    """Return the graph of the agent, or of the team, as LangGraph compiled it; the tools on offer do not change it."""
    from agents.graph import build_graph
    from agents.team import build_team
    from agents.tools.catalogue import Catalogue

    drawn = (build_team if team else build_graph)(Catalogue({})).get_graph()
    edges = tuple((edge.source, edge.target) for edge in drawn.edges)
    return Plan(_from_top_to_bottom(list(drawn.nodes), edges), edges)


def _from_top_to_bottom(nodes: Sequence[str], edges: Sequence[Edge]) -> tuple[str, ...]:
    """Return the nodes such that edges go down, but for those that lead back to where a walk has come from.

    The reverse of the order in which a depth-first walk leaves the nodes (Tarjan 1976); the end comes last.
    """
    left: list[str] = []
    seen: set[str] = set()

    def walk(node: str) -> None:
        seen.add(node)
        for source, target in edges:
            if source == node and target not in seen:
                walk(target)
        left.append(node)

    for node in nodes:
        if node not in seen:
            walk(node)
    return (*(node for node in reversed(left) if node != END), END)


def route_svg(plan: Plan, entered: Sequence[str], ending: Ending) -> str:
    """Return the graph as SVG, the nodes entered marked by a sign, their frame and their colour.

    Args:
        plan: of the graph.
        entered: its nodes in the order in which they began to work.
        ending: whether the question is answered.
    """
    path = _path(entered, ending)
    taken = set(pairwise(path))
    marks = {node: _mark(node, path, ending) for node in plan.nodes}
    times = Counter(entered)
    lines = [_line(plan, edge, edge in taken) for edge in plan.edges]
    boxes = [_box(node, row, marks[node], times[node]) for row, node in enumerate(plan.nodes)]
    height = ROW * len(plan.nodes) - ROW + 4 * DOT
    told = escape(route_told(entered, ending), quote=True)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-label="{told}"'
        f' style="max-width:100%;display:block;margin:auto">{_arrowheads()}{"".join(lines + boxes)}</svg>'
    )


def route_told(entered: Sequence[str], ending: Ending) -> str:
    """Return the route in words, for those who do not see it."""
    if not entered:
        return "The graph that a question takes its route through"
    ends = {"under way": "now there", "answered": "then the answer was complete", "cut off": "and was cut off there"}
    return f"The route: {', then '.join(entered)}; {ends[ending]}"


def _path(entered: Sequence[str], ending: Ending) -> list[str]:
    """Return the nodes as edges join them: several researchers at once are one step."""
    steps = [node for before, node in pairwise(["", *entered]) if node != before]
    return [START, *steps, *([END] if ending == "answered" else [])] if steps else []


def _mark(node: str, path: Sequence[str], ending: Ending) -> Mark:
    if node not in path:
        return "open"
    if node == path[-1] and ending != "answered":
        return "now" if ending == "under way" else "cut"
    return "taken"


def _height_of(row: int) -> int:
    return 2 * DOT + ROW * row


def _half(node: str) -> int:
    return DOT if node in (START, END) else NODE_HEIGHT // 2


def _line(plan: Plan, edge: Edge, taken: bool) -> str:
    """Return an edge: straight to the next node, round the right side further down, round the left side back up."""
    source, target = edge
    first, last = plan.nodes.index(source), plan.nodes.index(target)
    middle, y1, y2 = WIDTH // 2, _height_of(first), _height_of(last)
    if last == first + 1:
        way = f"M{middle} {y1 + _half(source)}V{y2 - _half(target) - 2}"
    else:
        side = 1 if last > first else -1
        start = middle + side * (DOT if source in (START, END) else NODE_WIDTH // 2)
        end = middle + side * ((DOT if target in (START, END) else NODE_WIDTH // 2) + 2)
        bend = middle + side * (NODE_WIDTH // 2 + BEND * min(abs(last - first), 3))
        way = f"M{start} {y1}C{bend} {y1} {bend} {y1} {bend} {(y1 + y2) // 2}S{bend} {y2} {end} {y2}"
    kind, width, dashes = ("taken", 2.5, "none") if taken else ("open", 1.2, "3 4")
    colour = BLUE if taken else "currentColor"
    return (
        f'<path d="{way}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-dasharray="{dashes}"'
        f' stroke-opacity="{1 if taken else 0.5}" marker-end="url(#to-{kind})"/>'
    )


def _box(node: str, row: int, mark: Mark, times: int) -> str:
    """Return a node: its name in a frame, which is thick and filled where the route has been; the ends are dots."""
    middle, y = WIDTH // 2, _height_of(row)
    taken = mark != "open"
    colour = BLUE if taken else "currentColor"
    if node in (START, END):
        inside = colour if taken else "none"
        return f'<circle cx="{middle}" cy="{y}" r="{DOT}" fill="{inside}" stroke="{colour}" stroke-width="1.5"/>'
    name = f"{SIGNS[mark]}{node}" + (f" ×{times}" if times > 1 else "")
    fill, text = (BLUE, "#ffffff") if mark == "now" else (colour if taken else "none", "currentColor")
    return (
        f'<rect x="{middle - NODE_WIDTH // 2}" y="{y - NODE_HEIGHT // 2}" width="{NODE_WIDTH}" height="{NODE_HEIGHT}"'
        f' rx="8" fill="{fill}" fill-opacity="{1 if mark == "now" else 0.15}" stroke="{colour}"'
        f' stroke-width="{2.5 if taken else 1.2}" stroke-dasharray="{"none" if taken else "3 4"}"/>'
        f'<text x="{middle}" y="{y + 5}" text-anchor="middle" fill="{text}" font-size="14"'
        f' font-weight="{600 if taken else 400}">{escape(name)}</text>'
    )


def _arrowheads() -> str:
    heads = "".join(
        f'<marker id="to-{kind}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" markerHeight="9"'
        f' markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0 8 4 0 8z" fill="{colour}"/></marker>'
        for kind, colour in (("taken", BLUE), ("open", GREY))
    )
    return f"<defs>{heads}</defs>"
