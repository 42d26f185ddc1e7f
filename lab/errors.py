"""Errors a user can act on: what was expected, what came instead, and the command that mends it."""

from typing import Self


class BakeoffError(Exception):
    """A failure the user can mend; the command line shows it as one line and exits with `exit_code`.

    Args:
        expected: what Bakeoff needed, as a noun phrase ("a column named 'text'").
        got: what it found instead.
        fix: the command or edit that mends it.
    """

    exit_code = 1

    def __init__(self, expected: str, got: str, fix: str) -> None:
        self.expected, self.got, self.fix = expected, got, fix
        super().__init__(f"expected {expected}; got {got}; {fix}")

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, str]]:
        """Travel between processes as what it is."""
        return type(self), (self.expected, self.got, self.fix)


class GateFailed(BakeoffError):
    """Something was measured and is not good enough: "worse", which scripts must tell from "broken"."""

    exit_code = 3
