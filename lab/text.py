"""Text from outside, made fit to be kept."""

import re

UNFIT = re.compile("[\ud800-\udfff\0]")


def clean(text: str) -> str:
    """Return a text that can be stored: lone surrogates and NUL, which UTF-8 and SQLite refuse, become U+FFFD."""
    return UNFIT.sub("\ufffd", text)
