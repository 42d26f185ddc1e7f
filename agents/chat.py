"""The terminal: a question, the tools that ran, the streamed answer, its evidence."""

import sys
from collections.abc import Iterator

from agents.conversation import Conversation, ToolRun, Turn
from lab.console import Console
from lab.errors import BakeoffError
from lab.llm import resolve_llm
from lab.workspace import Workspace

HELP = """/model NAME  swap the base LLM, e.g. /model embedded:gemma3-270m; the conversation goes on
/tools       the tools on offer
/why         how the last question was routed
/help        this list
/quit        leave (or Ctrl-D)"""
SHOWN_CHARACTERS = 300


def chat(conversation: Conversation) -> None:
    """Talk until the user leaves; Ctrl-C stops an answer, not the program."""
    console = Console()
    console.note(f"{conversation.llm.name}; /help lists the commands")
    for line in conversation.catalogue.missing.values():
        console.note(line)
    last: Turn | None = None
    for line in _lines():
        try:
            if line.startswith("/"):
                if not _command(line, conversation, last):
                    return
            elif line:
                last = show(conversation, line)
        except BakeoffError as error:
            console.warn(str(error))
        except KeyboardInterrupt:
            console.note("stopped")


def show(conversation: Conversation, question: str) -> Turn:
    """Ask one question and print what happens: tools to stderr, answer and evidence to stdout."""
    console, spoken = Console(), False
    for event in conversation.ask(question):
        if isinstance(event, ToolRun):
            console.answer("\n" if spoken else "", end="")
            _show_tool(event)
        elif isinstance(event, str):
            console.answer(event, end="")
        else:
            console.answer("" if spoken else event.answer)  # an LLM that does not stream has said nothing yet
            _show_evidence(event)
            return event
        spoken = isinstance(event, str)
    raise AssertionError("a conversation always ends in a Turn")


def _show_tool(run: ToolRun) -> None:
    arguments = ", ".join(f"{name}={value!r}" for name, value in run.arguments.items())
    Console().note(f"→ {run.name}({arguments}) {run.seconds:.1f} s" + ("" if run.ok else f", failed: {run.error}"))


def _show_evidence(turn: Turn) -> None:
    """Print what the LLM said that stands nowhere in the evidence, and the evidence, whatever it made of it."""
    console = Console()
    for claim in turn.claims:
        if claim.n is None:
            console.answer(f"  [?] in no source: {claim.text}")
    for note in turn.notes:
        console.note(note)
    for number, item in enumerate(turn.evidence, 1):
        text = " ".join(item.text.split())
        cut = text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + " …"
        console.answer(f"  [{number}] {item.source}\n      {cut}")


def _command(line: str, conversation: Conversation, last: Turn | None) -> bool:
    """Carry out a slash command; False means leave."""
    console = Console()
    name, _, argument = line.partition(" ")
    if name in ("/quit", "/exit"):
        return False
    if name == "/model" and argument.strip():
        conversation.llm = resolve_llm(argument.strip())
        console.note(f"now talking to {conversation.llm.name}; the index and the conversation are the same")
    elif name == "/tools":
        for tool in conversation.catalogue.tools.values():
            console.answer(f"{tool.name:10} {tool.description}")
        for missing in conversation.catalogue.missing.values():
            console.note(missing)
    elif name == "/why":
        console.answer(str(last.router) if last else "nothing was asked yet")
    else:
        console.answer(HELP)
    return True


def _lines() -> Iterator[str]:
    """Yield what the user types: edited, with history, at a terminal; plain lines from a pipe."""
    if not sys.stdin.isatty():
        yield from (line.strip() for line in sys.stdin)
        return
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.history import FileHistory

    folder = Workspace.current().home
    folder.mkdir(parents=True, exist_ok=True)
    commands = WordCompleter([line.split()[0] for line in HELP.splitlines()], sentence=True)
    session: PromptSession[str] = PromptSession(history=FileHistory(str(folder / "history")), completer=commands)
    while True:
        try:
            yield session.prompt("you> ").strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
