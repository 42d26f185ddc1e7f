"""The JSON schema of an MCP tool: whether it is one, and whether arguments fit it. Nothing is fetched for either."""

import json
from collections.abc import Mapping
from typing import Any

from lab.console import printable
from lab.errors import BakeoffError
from lab.redact import LONGEST

LONGEST_SCHEMA = 20_000  # characters


def schema_problem(schema: Mapping[str, Any]) -> str:
    """Return what is wrong with a tool's schema, nothing if it can be used."""
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for

    if len(json.dumps(schema)) > LONGEST_SCHEMA:
        return f"its schema is longer than {LONGEST_SCHEMA:,} characters"
    try:
        validator_for(schema).check_schema(schema)
    except SchemaError as error:
        return f"its schema is none: {printable(error.message)[:LONGEST]}"
    return ""


def check_arguments(name: str, schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
    """Refuse arguments that the schema of the tool `name` refuses.

    Raises:
        BakeoffError: they do not fit; says the first thing that is wrong.
    """
    from jsonschema.exceptions import best_match
    from jsonschema.validators import validator_for
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    validator = validator_for(schema)(schema, registry=Registry())  # an empty registry reaches for no address
    try:
        wrong = best_match(validator.iter_errors(arguments))
    except Unresolvable as error:
        raise BakeoffError(f"a schema of {name} in one piece", f"a reference to {error.ref}", "leave it out") from error
    if wrong is not None:
        got, fix = printable(wrong.message)[:LONGEST], "its schema: bakeoff tools list --json"
        raise BakeoffError(f"arguments that {name} takes", got, fix)
