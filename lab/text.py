"""Text from outside, made fit to be kept."""

import re


def clean(text: str) -> str:
    """Return a text that can be stored: lone surrogates and NUL, which UTF-8 and SQLite refuse, become U+FFFD."""
    return re.sub("[\ud800-\udfff\0]", "\ufffd", text)
