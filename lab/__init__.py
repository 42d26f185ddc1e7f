"""The ground floor: settings, errors, the workspace, datasets and base LLMs. Everyone stands on it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
