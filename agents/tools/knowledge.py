"""The document index as a tool; an empty one is filled with the handbook first."""

from lab.console import Console
from lab.settings import settings
from rag import Evidence, add_documents, document_index, handbook_folder
from rag.retrieve import RELEVANT, search_documents

PASSAGES = 4


def search_knowledge(query: str) -> list[Evidence]:
    """Return the passages of the indexed documents that fit `query` best; none where none is about it."""
    if not len(document_index()):
        Console().note("the document index is empty: filling it with the handbook, once …")
        add_documents(handbook_folder())
    return search_documents(query, PASSAGES, reranker=settings().reranker, min_score=RELEVANT)
