"""Labelled texts: tweets, files and Hugging Face datasets, with fingerprints and leak-free splits."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
