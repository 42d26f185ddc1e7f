"""Intervals, paired tests and calibration, after Miller, "Adding Error Bars to Evals" (arXiv 2411.00640)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
