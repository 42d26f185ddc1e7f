"""Advice from measured runs: which arm to use, what it costs, and what would turn that over."""
