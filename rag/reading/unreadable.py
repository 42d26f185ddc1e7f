"""Why a document could not be read."""


class Unreadable(Exception):
    """A document cannot be read; the message is the reason, in a few words.

    Attributes:
        fault: it should have been readable; False of an empty one.
    """

    def __init__(self, reason: str, fault: bool = True) -> None:
        super().__init__(reason)
        self.fault = fault
