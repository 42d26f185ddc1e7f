"""Real processes at the price of a fork: a process that has imported everything and opened nothing, and its children.

Reads a JSON line for each child, {folder, environment, code, output}, answers with its pid, and with its exit status
when it is asked for: {wait: pid}. Chroma is opened, and the model loaded, in the children alone.
"""

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any


def main() -> None:
    """Serve until stdin ends."""
    import chromadb  # noqa: F401
    import sentence_transformers  # noqa: F401

    import cli  # noqa: F401
    import rag.commands  # noqa: F401
    from rag import rebuild, status, sync, verify  # noqa: F401
    from rag.reading import read  # noqa: F401

    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        if "wait" in task:
            print(json.dumps(os.waitstatus_to_exitcode(os.waitpid(task["wait"], 0)[1])), flush=True)
            continue
        pid = os.fork()
        if not pid:
            _become(task)
        print(json.dumps(pid), flush=True)


def _become(task: dict[str, Any]) -> None:
    """Run the code of a task as a process of its own, and end."""
    out = os.open(task["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, handle in enumerate((nothing, out, out)):
        os.dup2(handle, number)
    os.chdir(task["folder"])
    os.environ.update(task["environment"])
    sys.path.insert(0, str(Path(__file__).parents[2]))
    code = 0
    try:
        exec(compile(task["code"], "child", "exec"), {"__name__": "child"})
    except SystemExit as leaving:
        code = int(leaving.code or 0)
    except BaseException:
        traceback.print_exc()
        code = 70
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
