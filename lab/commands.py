"""`bakeoff llm`."""

from typing import Annotated

import typer

from lab.command_app import Json, command_app
from lab.console import Console

app = command_app("Base LLMs: check.")


@app.command()
def check(
    model: Annotated[str, typer.Argument(help="provider:model, e.g. embedded:smollm2.")],
    json: Json = False,
) -> None:
    """Say in one line whether a base LLM answers, calls tools, gives log-probs, and how fast."""
    from lab.llm import check_llm

    found = check_llm(model)
    if json:
        Console().document(found)
        return
    Console().answer(
        f"{found['llm']}: answers {found['answer']!r}; tool calling: {'yes' if found['tool_calling'] else 'no'};"
        f" log-probs: {'yes' if found['logprobs'] else 'no'}; first token after"
        f" {found['seconds_to_first_token']:.2f} s, then {found['tokens_per_second']:.1f} tokens/s"
    )
