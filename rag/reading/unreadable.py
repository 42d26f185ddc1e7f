"""Why a document could not be read."""


class Unreadable(Exception):
    """A document cannot be read; the message is the reason, in a few words."""
