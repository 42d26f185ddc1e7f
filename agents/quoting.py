"""What stands in quotation marks in a question: a text that it is about, whose words ask for nothing."""

import re

QUOTED = re.compile(r"[\"“”«»„]([^\"“”«»„]+)[\"“”«»„]|(?<!\w)['‘’](.+?)['‘’](?!\w)", re.DOTALL)
BLANK = "' … '"


def without_quotes(question: str) -> str:
    """Return the question with what stands in quotes blanked out."""
    return QUOTED.sub(BLANK, question)


def quoted(question: str) -> str:
    """Return the text a question asks to classify: what stands in quotes, or after a colon, or the question itself."""
    match = QUOTED.search(question)
    if match:
        return (match[1] or match[2]).strip()
    _, colon, rest = question.partition(":")
    return rest.strip() if colon and rest.strip() else question
