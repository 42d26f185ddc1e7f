"""`bakeoff index`: what fills the index of documents, what looks into it, and its generations."""

from lab.command_app import command_app
from rag.commands.filling import add, remove, sync
from rag.commands.generations import prune, rebuild, switch
from rag.commands.looking import search, show, status, verify

app = command_app("The index of documents: what is in it, kept true to its sources.")
for command in (add, sync, remove, search, show, status, verify, rebuild, switch, prune):
    app.command()(command)
