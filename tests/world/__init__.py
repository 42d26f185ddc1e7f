"""The outside world of the tests: services on 127.0.0.1 that speak the true wire formats, faults included.

    with TavilyServer("tvly-key", results) as tavily:
        tavily.fail_next(Fault.RATE_LIMIT, retry_after=2)
        client = TavilyClient("tvly-key", api_base_url=tavily.url)

Every server has the `url` to give to its client, the `requests` it has received, and `fail_next` for what is to
go wrong.
"""

from .mediawiki import MediaWikiServer
from .obedient import ObedientServer
from .openai import MODEL, OpenAIServer, smollm2
from .postgres import PostgresServer
from .scripted import ScriptedServer, calls, says, stalled
from .server import Answer, Fault, FaultyProxy, Request, Server
from .tavily import TavilyServer

__all__ = [
    "MODEL",
    "Answer",
    "Fault",
    "FaultyProxy",
    "MediaWikiServer",
    "ObedientServer",
    "OpenAIServer",
    "PostgresServer",
    "Request",
    "ScriptedServer",
    "Server",
    "TavilyServer",
    "calls",
    "says",
    "smollm2",
    "stalled",
]
