"""`bakeoff watch`."""

import json as jsonlib
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab.command_app import Json, command_app
from lab.console import Console
from lab.errors import BakeoffError

if TYPE_CHECKING:
    from finetune import Alert, Watch

TOLD = 5  # alerts of one look that the LLM tells; each takes it seconds

app = command_app()


@app.command()
def watch(
    once: Annotated[bool, typer.Option("--once", help="Report on all that is there, and end.")] = False,
    predictions: Annotated[
        Path | None,
        typer.Option(
            help="Log of predictions: JSONL of time, classifier, label, confidence [WORKSPACE/predictions.jsonl]."
        ),
    ] = None,
    every: Annotated[float, typer.Option(help="Seconds between looks.", min=0.05)] = 2.0,
    false_alarm_every: Annotated[
        float, typer.Option(help="Without drift, predictions of a classifier per drift alert, at least.", min=100)
    ] = 100_000,
    llm: Annotated[str | None, typer.Option(help="Base LLM that tells the alerts, or none [the settings'].")] = None,
    json: Json = False,
) -> None:
    """Turn what goes wrong in training runs and in production into alerts.

    Follows the training runs that are running or begin, and the log of predictions from its beginning: all of it counts
    for drift. With --once also the runs that have ended. Ctrl-C ends it. With --json, one JSON object per line; with
    --once, one document.
    """
    from finetune import Watch

    if predictions and predictions.is_dir():
        raise BakeoffError("a log of predictions", f"the folder {predictions}", "name the file in it")
    if once and predictions and not predictions.exists():
        fix = "check the path; your service appends a line there for each prediction"
        raise BakeoffError(f"a log of predictions at {predictions}", "no such file", fix)
    console = Console()
    teller = _Teller(llm, console)
    followed = Watch(predictions, once, false_alarm_every, console.warn)
    if once:
        _report(followed, teller, json)
        return
    waiting = "" if followed.log.exists() else " (which is not there yet)"
    console.note(f"following the training runs and {followed.log}{waiting}; Ctrl-C ends it")
    try:
        while True:
            for row in teller.tell(followed.poll()):
                console.answer(jsonlib.dumps(row) if json else _line(row))
            time.sleep(every)
    except KeyboardInterrupt:
        console.note(_looked_at(followed.seen))


def _report(followed: "Watch", teller: "_Teller", json: bool) -> None:
    alerts = followed.poll()
    rows, console = teller.tell(alerts), Console()
    if json:
        console.document({"alerts": rows, **followed.seen})
        return
    for row in rows:
        console.answer(_line(row))
    console.note(_looked_at(followed.seen) + ("" if rows else "; no alert"))


def _line(row: dict[str, Any]) -> str:
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row["when"]))
    return f"{stamp}  {row['kind']}  {row['words']}"


def _looked_at(seen: dict[str, int]) -> str:
    skipped = f"; {seen['skipped_lines']} lines skipped" if seen["skipped_lines"] else ""
    return f"looked at {seen['trainings']} training runs and {seen['predictions']} predictions{skipped}"


class _Teller:
    """Puts alerts into words: the base LLM's where they are faithful, and the alert's own otherwise."""

    def __init__(self, name: str | None, console: Console) -> None:
        """Take the LLM called `name`; "none" is none. It is loaded when there is something to tell.

        Raises:
            BakeoffError: a name was given, and there is no such LLM.
        """
        self._name, self._console, self._silent = name, console, name == "none"
        if name and not self._silent:
            from lab.llm import resolve_llm

            resolve_llm(name)

    def tell(self, alerts: "list[Alert]") -> list[dict[str, Any]]:
        """Return each alert as {kind, subject, when, numbers, words}; of many, the LLM tells only the last."""
        quick = len(alerts) - TOLD
        rows = []
        for number, alert in enumerate(alerts):
            row = {name: value for name, value in asdict(alert).items() if name != "key"}
            rows.append(row if number < quick else row | {"words": self._words(alert)})
        return rows

    def _words(self, alert: "Alert") -> str:
        if self._silent:
            return alert.words
        from finetune.telling import tell
        from lab.llm import resolve_llm

        try:
            return tell(alert, resolve_llm(self._name))
        except BakeoffError as error:
            self._silent = True
            self._console.warn(f"{error}; the alerts are told by a template")
            return alert.words
