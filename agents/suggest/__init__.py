"""As-you-type suggestions: the nearest past cases, and what the champion foresees for a half-typed text."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
