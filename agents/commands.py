"""`bakeoff chat`."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from lab.command_app import command_app
from lab.console import Console
from lab.errors import BakeoffError

if TYPE_CHECKING:
    from agents.conversation import Conversation

STOPPED = 130  # as a shell tells of a program that Ctrl-C ended

chat_app = command_app()


@chat_app.command()
def chat(
    name: Annotated[
        str | None, typer.Argument(help="With --resume: which conversation, by id or title; default: the last.")
    ] = None,
    question: Annotated[
        str | None, typer.Option("--question", "-q", help="Answer this one question and leave.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an earlier conversation.")] = False,
    llm: Annotated[str | None, typer.Option(help="The base LLM, e.g. embedded:smollm2 or openai:gpt-5-mini.")] = None,
    team: Annotated[bool, typer.Option("--team", help="Let a team work on each question.")] = False,
    lang: Annotated[str | None, typer.Option(help="Wikipedia's language, such as de.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document (with -q).")] = False,
) -> None:
    """Talk with the agent: it routes between Wikipedia, web search, your documents and your classifier.

    `bakeoff conversations` lists what was said before. One question with -q is not kept, unless it resumes.
    """
    from agents.conversation import Conversation
    from agents.memory import new_id, open_memory
    from agents.terminal import chat as talk
    from agents.tools.mcp import confirm_project
    from lab.llm import resolve_llm
    from lab.settings import overridden

    if name and not resume:
        raise BakeoffError(
            "a question with -q, or a name with --resume", f"'{name}'", f'write: bakeoff chat -q "{name}"'
        )
    if question is not None and not question.strip():
        raise BakeoffError("a question", "none", 'ask one: bakeoff chat -q "…"')
    if json and question is None:
        raise BakeoffError("a question with --json", "none", 'ask one: bakeoff chat -q "…" --json')
    confirm_project()
    with overridden({"BAKEOFF_WIKIPEDIA_LANG": lang} if lang else {}):
        if question is not None and not resume:
            _answer(Conversation(resolve_llm(llm), team=team), question, json)
            return
        with open_memory() as memory:
            identifier = memory.find(name).id if resume else new_id()
            conversation = Conversation(resolve_llm(llm), memory=memory, id=identifier, team=team)
            if question is not None:
                _answer(conversation, question, json)
                return
            talk(conversation, resumed=resume)
    _leave_behind(conversation, 0)


def _answer(conversation: "Conversation", question: str, json: bool) -> None:
    from agents.terminal import show

    try:
        if json:
            Console().document(conversation.answer(question).document())
        else:
            show(conversation, question)
    except KeyboardInterrupt:
        if conversation.left_behind:
            Console().note("stopped")
        _leave_behind(conversation, STOPPED)
        raise


def _leave_behind(conversation: "Conversation", code: int) -> None:
    """End the process where a stopped answer still waits: the interpreter would wait for it, until the time-out."""
    if conversation.left_behind:
        sys.stdout.flush()
        os._exit(code)
