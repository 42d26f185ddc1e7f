"""The document index as a tool; an empty one is filled with the handbook first."""

from lab.console import Console
from rag import Evidence, document_index, handbook_folder
from rag.sync import add_documents

PASSAGES = 4


def search_knowledge(query: str) -> list[Evidence]:
    """Return the passages of the indexed documents nearest to `query`."""
    index = document_index()
    if not len(index):
        Console().note("the document index is empty: filling it with the handbook, once …")
        add_documents(handbook_folder())
    return index.search([query], PASSAGES)[0]
