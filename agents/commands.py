"""`bakeoff chat`."""

from typing import Annotated

import typer

from lab.command_app import command_app
from lab.console import Console

chat_app = command_app()


@chat_app.command()
def chat(
    question: Annotated[
        str | None, typer.Option("--question", "-q", help="Answer this one question and leave.")
    ] = None,
    llm: Annotated[str | None, typer.Option(help="The base LLM, e.g. embedded:smollm2 or openai:gpt-5-mini.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document (with -q).")] = False,
) -> None:
    """Talk with the agent: it routes between Wikipedia, web search, your documents and your classifier."""
    from agents.chat import chat as talk
    from agents.chat import show
    from agents.conversation import Conversation
    from agents.tools.mcp import confirm_project
    from lab.errors import BakeoffError
    from lab.llm import resolve_llm

    if json and question is None:
        raise BakeoffError("a question with --json", "none", 'ask one: bakeoff chat -q "…" --json')
    confirm_project()
    conversation = Conversation(resolve_llm(llm))
    if question is None:
        talk(conversation)
    elif json:
        Console().document(conversation.answer(question).document())
    else:
        show(conversation, question)
