"""The terminal: a question, the tools that ran, the streamed answer, its evidence."""

from agents.conversation import Conversation
from agents.terminal.commands import Session, carry_out, resume
from agents.terminal.lines import typed_lines
from agents.terminal.show import show
from lab.console import Console
from lab.errors import BakeoffError


def chat(conversation: Conversation, resumed: bool = False) -> None:
    """Talk until the user leaves; Ctrl-C stops an answer, not the program.

    Args:
        conversation: with a memory.
        resumed: whether the conversation was begun earlier; where it was is shown then.
    """
    console, session = Console(), Session(conversation)
    console.note(f"{conversation.llm.name}; /help lists the commands")
    for line in conversation.catalogue.missing.values():
        console.note(line)
    if resumed:
        resume(session, conversation.id)
    for line in typed_lines(session):
        try:
            if line.startswith("/") and "\n" not in line:  # a pasted block is no command
                carry_out(session, line)
            elif line:
                show(conversation, line)
        except BakeoffError as error:
            console.warn(str(error))
        except KeyboardInterrupt:
            console.note("stopped")
        if session.leaving:
            break
    _say_goodbye(session)


def _say_goodbye(session: Session) -> None:
    """Tell how to come back, if anything was said."""
    if session.conversation.transcript().exchanges:
        session.console.note(f"kept as {session.conversation.id}; go on with: bakeoff chat --resume")
