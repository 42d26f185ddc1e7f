"""What comes from outside cannot steer the terminal."""

from lab.console import printable


def test_control_characters_are_shown_not_sent() -> None:
    assert printable("red \x1b[31malert\x07 \x9b2J\u202eevil\n\tkept é 👍") == (
        "red \ufffd[31malert\ufffd \ufffd2J\ufffdevil\n\tkept é 👍"
    )
