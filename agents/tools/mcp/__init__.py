"""Tools of MCP servers: which servers there are, whether they are trusted, and what they offer to the agent."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
