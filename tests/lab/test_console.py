"""What comes from outside cannot steer the terminal."""

import json

from lab.console import as_json, printable


def test_control_characters_are_shown_not_sent() -> None:
    assert printable("red \x1b[31malert\x07 \x9b2J\u202eevil\n\tkept é 👍") == (
        "red \ufffd[31malert\ufffd \ufffd2J\ufffdevil\n\tkept é 👍"
    )


def test_what_hides_or_splits_text_is_shown_too() -> None:
    hidden = "a\u2028b\ufff9c\U000e0041d\ud800e\r\nf\rg"
    assert printable(hidden) == "a\ufffdb\ufffdc\ufffdd\ufffde\nf\ufffdg"
    printable(hidden).encode()  # half a character would end the program here


def test_json_is_the_same_document_without_a_raw_control_character() -> None:
    text = "\x1b[2J\x9b\u202e\U000e0041é"
    assert json.loads(as_json({"text": text})) == {"text": text}
    assert "\\u001b" in as_json(text)
    assert printable(as_json(text)) == as_json(text)
