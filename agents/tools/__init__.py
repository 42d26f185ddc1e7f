"""The agent's five tools, and the catalogue that says which of them can be offered."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
