"""The slash commands: what each is called, what it takes, and what it does."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.conversation import Conversation
from agents.memory import Memory, Remembered, Transcript, new_id
from agents.memory.transcript import when
from agents.terminal.show import open_source, show_routing, show_sources
from agents.terminal.wrapping import say
from lab.console import Console
from lab.errors import BakeoffError
from lab.llm import resolve_llm
from rag import Evidence

LISTED = 20
RECALLED_CHARACTERS = 300


@dataclass
class Session:
    """One run of the terminal: the conversation it is in, and whether the user wants to leave."""

    conversation: Conversation
    leaving: bool = False
    console: Console = field(default_factory=Console)

    @property
    def memory(self) -> Memory:
        """Return the memory, which a chat in a terminal always has."""
        assert self.conversation.memory, "the terminal opens conversations with a memory"
        return self.conversation.memory

    def about(self) -> Remembered:
        """Return what is known of this conversation.

        Raises:
            BakeoffError: nothing was asked in it yet.
        """
        for known in self.memory.list():
            if known.id == self.conversation.id:
                return known
        raise BakeoffError("a question before that", "an empty conversation", "ask something first")


@dataclass(frozen=True)
class Command:
    """A slash command: its argument as the help shows it, its line of help, and its action."""

    argument: str
    help: str
    run: Callable[[Session, str], None]


def carry_out(session: Session, line: str) -> None:
    """Do what a line beginning with a slash says; the beginning of a name is enough, an unknown one shows the list.

    Raises:
        BakeoffError: it cannot be done.
    """
    name, _, argument = line[1:].partition(" ")
    meant = [known for known in COMMANDS if known.startswith(ALIASES.get(name, name))]
    command = COMMANDS[meant[0] if name and len(meant) == 1 else "help"]
    command.run(session, argument.strip())


def resume(session: Session, which: str | None = None) -> None:
    """Go on with an earlier conversation, by default the last used, and show where it was.

    Raises:
        BakeoffError: there is none of that name.
    """
    found = session.memory.find(which)
    session.conversation.id = found.id
    session.console.note(f"resumed {found.id} '{found.title}', {found.questions} questions, {when(found.updated_at)}")
    transcript = session.conversation.transcript()
    if transcript.exchanges:
        last = transcript.exchanges[-1]
        lost = "(no answer yet: ask again)" if transcript.unfinished else ""
        session.console.note(f"you asked: {_beginning(last.question)}\n{_beginning(last.answer) or lost}")


def _beginning(text: str) -> str:
    return text if len(text) <= RECALLED_CHARACTERS else text[:RECALLED_CHARACTERS] + " …"


def _swap(session: Session, name: str) -> None:
    if name:
        session.conversation.llm = resolve_llm(name)
        told = f"now talking to {session.conversation.llm.name}; the index and the conversation are the same"
    else:
        told = f"talking to {session.conversation.llm.name}"
    session.console.note(told)


def _tools(session: Session, _: str) -> None:
    for tool in session.conversation.catalogue.tools.values():
        say(f"{tool.name:10} {tool.description}", indent=" " * 11)
    for missing in session.conversation.catalogue.missing.values():
        session.console.note(missing)


def _sources(session: Session, number: str) -> None:
    evidence = _evidence(session)
    if not evidence:
        session.console.note("the last answer has no sources")
    elif not number:
        show_sources(evidence)
    elif number.isdecimal() and 1 <= int(number) <= len(evidence):
        open_source(int(number), evidence[int(number) - 1])
    else:
        raise BakeoffError(f"a source from 1 to {len(evidence)}", f"'{number}'", "see the list: /sources")


def _evidence(session: Session) -> list[Evidence]:
    exchanges = session.conversation.transcript().exchanges
    return exchanges[-1].evidence if exchanges else []


def _why(session: Session, _: str) -> None:
    routing: dict[str, Any] = session.conversation.last_routing()
    if routing:
        show_routing(routing)
    else:
        session.console.note("nothing was asked yet")


def _index(session: Session, _: str) -> None:
    from rag.index import index_status

    rows = index_status()
    if not rows:
        session.console.note("there is no index yet; make one with: bakeoff index add")
    for row in rows:
        synced = when(row["synced_at"]) if row["synced_at"] else "never"
        say(f"{row['index']}: {row['passages']} passages, {row['embeddings']}, last sync {synced}", indent="  ")


def _save(session: Session, file: str) -> None:
    if not file:
        raise BakeoffError("a file to save to", "none", "name one: /save conversation.md, or .json")
    transcript: Transcript = session.conversation.transcript()
    transcript.save(Path(file).expanduser(), session.about())
    session.console.note(f"saved to {file}")


def _resume(session: Session, which: str) -> None:
    if which:
        resume(session, which)
        return
    for one in session.memory.list()[:LISTED]:
        say(f"{one.id}  {one.title}  ({one.questions}, {when(one.updated_at)})", indent=" " * 10)
    session.console.note("go on with one of them: /resume ID or a word of its title")


def _new(session: Session, _: str) -> None:
    session.conversation.id = new_id()
    session.console.note("a new conversation; the last one is kept: /resume lists them")


def _rename(session: Session, title: str) -> None:
    session.console.note(f"now called '{session.memory.rename(session.about().id, title).title}'")


def _team(session: Session, _: str) -> None:
    session.conversation.team = not session.conversation.team
    told = "a team works on each question: manager, researchers, writer, reviewer"
    session.console.note(told if session.conversation.team else "one agent answers")


def _help(session: Session, _: str) -> None:
    for name, command in COMMANDS.items():
        say(f"{f'/{name} {command.argument}':16} {command.help}", indent=" " * 17)
    say("Enter sends, Alt-Enter begins a new line, Ctrl-C stops an answer, Ctrl-D leaves.")


def _quit(session: Session, _: str) -> None:
    session.leaving = True


COMMANDS: dict[str, Command] = {
    "model": Command("NAME", "swap the base LLM, e.g. /model embedded:gemma3-270m; the conversation goes on", _swap),
    "tools": Command("", "the tools on offer", _tools),
    "sources": Command("[N]", "what the last answer rests on; with a number, that passage whole", _sources),
    "why": Command("", "how the last question was routed", _why),
    "index": Command("", "what the index of documents holds", _index),
    "save": Command("FILE", "write the conversation to a file, .md or .json", _save),
    "resume": Command("[NAME]", "go on with an earlier conversation; without a name, list them", _resume),
    "new": Command("", "begin a new conversation", _new),
    "rename": Command("TITLE", "give this conversation a title", _rename),
    "team": Command("", "let a team work on each question, or one agent again", _team),
    "help": Command("", "this list", _help),
    "quit": Command("", "leave (or /exit, Ctrl-D)", _quit),
}
ALIASES = {"exit": "quit"}
