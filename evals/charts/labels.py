"""Names beside dots: each where it covers neither a dot nor another name."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypedDict

WIDTH, HEIGHT = 320, 200  # pixels of the plot on a narrow page; on a wider one there is only more room
LETTER, LINE = 6.3, 13  # pixels of a letter and of a line, at 11 pixels
DOT = 6  # half of a dot's size, pixels

Box = tuple[float, float, float, float]  # left, top, right, bottom


class Place(TypedDict):
    """Where a name stands, as Vega-Lite's text mark has it: pixels from the dot, and which end is there."""

    align: Literal["left", "center", "right"]
    dx: int
    dy: int


PLACES: tuple[Place, ...] = (
    {"align": "left", "dx": 9, "dy": 0},
    {"align": "right", "dx": -9, "dy": 0},
    {"align": "left", "dx": 7, "dy": -11},
    {"align": "right", "dx": -7, "dy": -11},
    {"align": "left", "dx": 7, "dy": 11},
    {"align": "right", "dx": -7, "dy": 11},
    {"align": "center", "dx": 0, "dy": -15},
    {"align": "center", "dx": 0, "dy": 15},
    {"align": "left", "dx": 7, "dy": -22},
    {"align": "right", "dx": -7, "dy": -22},
    {"align": "left", "dx": 7, "dy": 22},
    {"align": "right", "dx": -7, "dy": 22},
)


class Dot(NamedTuple):
    """A dot and its upright interval: shares of the width from the left, and of the height from the top."""

    x: float
    y: float
    top: float
    bottom: float


def placed(dots: Sequence[Dot], names: Sequence[str]) -> list[Place]:
    """Return for each dot's name the first of PLACES at which it covers least, those placed before it going first."""
    points = [(dot.x * WIDTH, dot.y * HEIGHT) for dot in dots]
    taken: list[Box] = [(x - DOT, y - DOT, x + DOT, y + DOT) for x, y in points]
    taken += [(x - 1, dot.top * HEIGHT, x + 1, dot.bottom * HEIGHT) for (x, _), dot in zip(points, dots, strict=True)]
    places = []
    for dot, name in zip(points, names, strict=True):
        place = min(PLACES, key=lambda place: _covered(_box(dot, name, place), taken))
        taken.append(_box(dot, name, place))
        places.append(place)
    return places


def _box(dot: tuple[float, float], name: str, place: Place) -> Box:
    x, y, width = dot[0] + place["dx"], dot[1] + place["dy"], LETTER * len(name)
    left = {"left": x, "right": x - width, "center": x - width / 2}[place["align"]]
    return left, y - LINE / 2, left + width, y + LINE / 2


def _covered(box: Box, taken: Sequence[Box]) -> float:
    """Return the square pixels of a box that are taken, or lie outside the plot."""
    inside = _shared(box, (0, 0, WIDTH, HEIGHT))
    return (box[2] - box[0]) * (box[3] - box[1]) - inside + sum(_shared(box, other) for other in taken)


def _shared(a: Box, b: Box) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
