"""Why something failed, in one line, with no key in it: providers' errors may echo what they were sent."""

from pydantic import SecretStr

from lab.settings import settings

LONGEST = 200


def reason(error: Exception) -> str:
    """Return the first line of an error, cut at 200 characters, every secret of the settings masked."""
    lines = str(error).strip().splitlines()
    text = lines[0] if lines else type(error).__name__
    for value in settings().__dict__.values():
        if isinstance(value, SecretStr) and value.get_secret_value():
            text = text.replace(value.get_secret_value(), "…")
    return text[:LONGEST]
