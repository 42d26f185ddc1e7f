"""Agent: chat with the graph that `bakeoff chat` talks to, see the route of each question, and open its sources."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.chat.asking import Asked, Chat, known_llms
from dashboard.chat.route import Ending, plan_of, route_svg
from dashboard.chat.said import Said, said
from dashboard.chat.sources import OpenedSource, details, open_source, whereabouts
from dashboard.chat.words import anchor_html, answer_html, passage_html, scores_html
from dashboard.choosing import choose
from dashboard.page import heading, plain
from lab.console import printable
from lab.workspace import Workspace

if TYPE_CHECKING:
    from agents.memory import Memory
    from agents.memory.transcript import Exchange
    from agents.turn import ToolRun
    from rag import Evidence

TICK = 0.3  # seconds between two looks at an answer that is coming
LONGEST_QUESTION = 4000  # characters
SHOWN = 20  # exchanges of a long conversation
NEW, OPENING = "new", "conversation to open"
EXAMPLES = ("How is drift tested?", "Who was Marie Curie?", "Did any training go wrong?")


def show() -> None:
    """Draw the page."""
    heading("Agent", "Ask it something; see the route of the question, and what the answer rests on.")
    memory, _ = _memory(str(Workspace.current().home.resolve()))
    chat: Chat = st.session_state.setdefault("chat", Chat())
    conversation, llm, team = _settings(memory, chat)
    exchanges = chat.exchanges(conversation, _remembered(memory, conversation))
    live = chat.under_way(conversation)
    question = st.chat_input("Ask the agent", key="question", max_chars=LONGEST_QUESTION, disabled=live is not None)
    if not exchanges:
        question = _beginning(team) or question
    if question and question.strip():
        _ask(memory, chat, conversation, Asked(question.strip(), llm, team))
    if not exchanges:
        return
    if len(exchanges) > SHOWN:
        st.caption(f"The last {SHOWN} of {len(exchanges)} questions; `bakeoff conversations show` prints all.")
    for number, one in list(enumerate(exchanges))[-SHOWN:-1]:
        _exchange(said(one), f"{conversation}-{number}")
    newest = st.fragment(_newest, run_every=TICK if live else None)
    newest(exchanges[-1], f"{conversation}-{len(exchanges) - 1}", team, live is not None)


@st.cache_resource(show_spinner=False, on_release=lambda opened: opened[1].close())
def _memory(home: str) -> "tuple[Memory, ExitStack]":
    """Open the memory of a workspace, which all visitors share; return it with what closes it."""
    from agents.memory import open_memory

    opened = ExitStack()
    return opened.enter_context(open_memory()), opened


def _settings(memory: "Memory", chat: Chat) -> tuple[str, str, bool]:
    """Let the visitor choose the conversation, which stands in the address, the base LLM, and whether a team works."""
    from agents.memory.conversations import title_of

    if OPENING in st.session_state:
        st.session_state["conversation"] = st.session_state.pop(OPENING)
    begun = {where: title_of(asked.question) for (where, _), asked in reversed(chat.asked.items())}
    titles = begun | {one.id: one.title for one in memory.list()}
    labels = {NEW: "New conversation"} | {one: f"{title} · {one}" for one, title in titles.items()}
    left, middle, right = st.columns([3, 2, 1], vertical_alignment="bottom")
    with left:
        conversation = choose("Conversation", list(labels), "conversation", labels.__getitem__)
    llm = middle.selectbox(
        "Base LLM",
        known_llms(st.session_state.get("llm", "")),
        key="llm",
        accept_new_options=True,
        persist_state="session",
        help="Any provider:model; the conversation and the index stay the same.",
    )
    team = right.toggle(
        "Team",
        key="team",
        persist_state="session",
        help="Manager, researchers, writer and reviewer work on each question.",
    )
    return conversation, llm, team


def _ask(memory: "Memory", chat: Chat, conversation: str, asked: Asked) -> None:
    """Begin a question and open its conversation."""
    from agents.memory import new_id

    if conversation == NEW:
        conversation = st.session_state[OPENING] = new_id()
    chat.begin(memory, conversation, len(_remembered(memory, conversation)), asked)
    st.rerun()


def _remembered(memory: "Memory", conversation: str) -> "list[Exchange]":
    if conversation == NEW:
        return []
    from agents.memory import read_transcript

    return read_transcript(memory, conversation).exchanges


def _beginning(team: bool) -> str:
    """Show the graph before the first question, and some questions; return the one that is taken."""
    left, right = st.columns([5, 2], gap="medium")
    left.caption("For example:")
    taken = [question for question in EXAMPLES if left.button(question, key=f"example-{question}")]
    with right:
        _route((), team, "under way")
    return next(iter(taken), "")


def _newest(one: "Exchange | Asked", key: str, team: bool, live: bool) -> None:
    """Show the last exchange beside its route, while it is still coming and afterwards."""
    if live and isinstance(one, Asked) and not one.under_way:
        st.rerun()
    now = said(one)
    left, right = st.columns([5, 2], gap="medium")
    with left:
        _exchange(now, key)
        if live and isinstance(one, Asked):
            st.button("Stop", key="stop", icon=":material/stop_circle:", on_click=one.stop)
    with right:
        _route(now.nodes, one.team if isinstance(one, Asked) else team, now.ending)
        _routing(now)
        if not isinstance(one, Asked):
            st.caption("The route is kept of what is asked in this window alone")


def _exchange(now: Said, key: str) -> None:
    """Show a question, its answer, and everything behind it."""
    with st.chat_message("user", avatar=":material/person:"):
        st.text(printable(now.question))
    with st.chat_message("assistant", avatar=":material/robot_2:"):
        anchors = {number: f"source-{key}-{number}" for number, _ in enumerate(now.evidence, 1)}
        if now.answer:
            st.html(answer_html(now.answer, now.claims, anchors))
        elif now.ending == "under way":
            st.caption(f"{now.nodes[-1]} …" if now.nodes else "Loading what the first question needs …")
        if now.trouble:
            st.warning(plain(now.trouble), icon=":material/error:")
        unsupported = ["[?] stands in none of the sources."] * any(claim.n is None for claim in now.claims)
        told = [*unsupported, *map(_told, now.tools), *now.notes, _measured(now)]
        st.caption("  \n".join(plain(" ".join(line.split())) for line in told if line))
        with st.container(gap="xxsmall"):
            for number, item in enumerate(now.evidence, 1):
                _source(number, item, anchors[number])


def _told(run: "ToolRun") -> str:
    given = ", ".join(str(value) for value in run.arguments.values())
    failed = "" if run.ok else f" · failed: {run.error}"
    return f"{run.name}: {given} · {run.seconds:.1f} s{failed}"


def _measured(now: Said) -> str:
    seconds = f"{now.seconds:.1f} s" if now.seconds is not None else ""
    return " · ".join(part for part in (now.llm, seconds, f"{now.tokens} tokens" if now.tokens else "") if part)


def _source(number: int, item: "Evidence", key: str) -> None:
    """Show a source that opens at its span; only then it is read."""
    st.html(anchor_html(key))
    opening = st.expander(plain(f"[{number}] {whereabouts(item)}"), key=key, on_change="rerun")
    if not opening.open:
        return
    with opening:
        opened = _opened(item, _stamp(item.source))
        st.text(printable(item.source))
        if opened.lost:
            st.warning(plain(f"{opened.lost}. This is the passage as it was indexed."), icon=":material/history:")
        st.html(passage_html(opened.before, opened.exact, opened.after))
        st.caption(plain(details(item, opened)))


@st.cache_data(max_entries=64, show_spinner="Opening the source …", hash_funcs={"rag.passages.Evidence": repr})
def _opened(item: "Evidence", stamp: float) -> OpenedSource:
    return open_source(item)


def _stamp(source: str) -> float:
    """Return when a file was changed; 0 where there is none."""
    try:
        return Path(source).stat().st_mtime if Path(source).is_absolute() else 0.0
    except OSError:
        return 0.0


def _route(nodes: Sequence[str], team: bool, ending: Ending) -> None:
    """Draw the graph; it is made of the names of its nodes, which are our own words."""
    st.markdown(route_svg(plan_of(team), nodes, ending), unsafe_allow_html=True)


def _routing(now: Said) -> None:
    if now.router.get("kind") == "native":
        st.caption("The base LLM chose the tools by itself")
    elif now.router.get("scores"):
        st.caption("The embedded router chose, by these probabilities")
        st.html(scores_html(now.router["scores"]))
