"""The judge: every approach on the same examples, with statistics, a verdict and a report."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
