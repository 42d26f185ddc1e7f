"""Differences to the reference, drawn: which are more than luck may explain, and in whose favour."""

from collections.abc import Mapping, Sequence
from typing import Any

from evals.charts.chart import BLUE, GREY, RUST, Chart, drawn
from evals.charts.marks import arm_name, lines_of, percent, some_of
from evals.verdict import SIGNIFICANT

LUCK = "may be luck"


def differences_chart(comparisons: Sequence[Mapping[str, Any]], reference: str | None) -> Chart | None:
    """Return the reference's lead over each other arm with its 95 % interval; None where nothing was compared.

    A difference is real if its Holm-adjusted p is below 0.05; colour and shape say so, and in whose favour it is.

    Args:
        comparisons: those of results.json.
        reference: the key of the arm that the others are compared with.
    """
    import altair as alt

    pairs = [pair for pair in comparisons if pair["a"] == reference]
    if not pairs or reference is None:
        return None
    ahead, behind = (f"{arm_name(reference)} {word}" for word in ("ahead", "behind"))
    rows = [
        {
            "beside": pair["b"],
            "points": percent(pair["difference"]),
            "from_points": percent(pair["ci"][0]),
            "to_points": percent(pair["ci"][1]),
            "p_holm": float(f"{pair['p_adjusted']:.2g}"),
            "found": LUCK if pair["p_adjusted"] >= SIGNIFICANT else ahead if pair["difference"] > 0 else behind,
            "n": pair["n"],
        }
        for pair in sorted(pairs, key=lambda pair: -pair["difference"])
    ]
    looks = {ahead: (BLUE, "triangle-right"), behind: (RUST, "triangle-left"), LUCK: (GREY, "circle")}
    looks = {found: look for found, look in looks.items() if any(row["found"] == found for row in rows)}
    legend = alt.Legend(orient="bottom", title=None, columns=2, columnPadding=24, symbolSize=80)
    colours, shapes = zip(*looks.values(), strict=True)
    colour = alt.Color("found:N", legend=legend).scale(domain=list(looks), range=colours)
    shape = alt.Shape("found:N", legend=legend).scale(domain=list(looks), range=shapes)
    base = drawn(rows).encode(y=lines_of("beside", rows))
    across = alt.X("from_points:Q", title=f"points of accuracy that {arm_name(reference)} has more").axis(tickCount=6)
    spans = base.mark_rule(strokeWidth=2).encode(x=across, x2="to_points:Q", color=colour)
    signs = base.mark_point(filled=True, size=110, opacity=1).encode(x="points:Q", color=colour, shape=shape)
    zero = alt.Chart(alt.Data(values=[{"x": 0}])).mark_rule(strokeDash=[3, 3], color=GREY).encode(x="x:Q")
    note = "Signs are differences on the same texts, lines their 95 % intervals; p-values are Holm-adjusted."
    return Chart(_title(rows, arm_name(reference), ahead, behind), alt.layer(zero, spans, signs), rows, note)


def _title(rows: Sequence[Mapping[str, Any]], reference: str, ahead: str, behind: str) -> str:
    found = {kind: [row["beside"] for row in rows if row["found"] == kind] for kind in (ahead, behind, LUCK)}
    told = [f"{reference} beats {some_of(found[ahead], len(rows))}"] if found[ahead] else []
    verb = "beats" if len(found[behind]) == 1 else "beat"
    told += [f"{some_of(found[behind], len(rows))} {verb} {reference}"] if found[behind] else []
    if not told:
        return f"No difference to {reference} is more than luck may explain"
    luck = [f"beside {some_of(found[LUCK], len(rows))} it may be luck"] if found[LUCK] else []
    return "; ".join(told + luck)
