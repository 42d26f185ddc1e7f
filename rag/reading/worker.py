"""A process beside this one that opens what may be broken or hostile: it can be stopped, and cannot take all memory."""

import atexit
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Timer

from rag.reading.chunks import Document, Piece
from rag.reading.kinds import Kind
from rag.reading.origins import Columns
from rag.reading.parsing import parse
from rag.reading.unreadable import Unreadable

LONGEST_SECONDS = 60.0  # for one file
LARGEST_MEMORY_GB = 4


class Worker:
    """Has a process of its own parse files, one after the other; starts it when needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = Lock()
        atexit.register(self.stop)

    def parse(self, path: Path, kind: Kind, columns: Columns = Columns()) -> Document:
        """Return what `parsing.parse` does.

        Raises:
            Unreadable: as there; or it took longer than 60 seconds, or broke the process that read it.
        """
        with self._lock:
            try:
                return self._ask([str(path.absolute()), kind, [columns.text, columns.label]])
            except Unreadable:
                raise
            except BaseException:  # Ctrl-C: the answer still to come would be taken for the next file's
                self.stop()
                raise

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _ask(self, task: list[object]) -> Document:
        process = self._started()
        late = Event()

        def give_up() -> None:
            late.set()
            process.kill()

        timer = Timer(LONGEST_SECONDS, give_up)
        timer.start()
        answer = ""
        with suppress(BrokenPipeError):
            print(json.dumps(task), file=process.stdin, flush=True)
            answer = process.stdout.readline() if process.stdout else ""
        timer.cancel()
        if late.is_set() or not answer:
            self.stop()
            slow = f"takes longer than {LONGEST_SECONDS:g} s to read"
            raise Unreadable(slow if late.is_set() else "breaks its reader, or takes more memory than there is")
        done = json.loads(answer)
        if "unreadable" in done:
            raise Unreadable(done["unreadable"], done["fault"])
        return Document(done["text"], [Piece((start, end), *rest) for start, end, *rest in done["pieces"]])

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            here = [str(Path(__file__).parents[2]), *filter(None, sys.path)]
            # Of the environment only what Python needs: no key goes where hostile files are read.
            kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "TMPDIR", "LANG") if name in os.environ}
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "rag.reading.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                encoding="utf-8",
                env=kept | {"PYTHONPATH": os.pathsep.join(here), "PYTHONUTF8": "1"},
            )
        return self._process


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has none
        return
    limit = LARGEST_MEMORY_GB * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _serve() -> None:
    """Answer each line of standard input, [path, kind, columns], with one of JSON; libraries' own prints go nowhere."""
    _limit_memory()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        path, kind, columns = json.loads(line)
        done: dict[str, object]
        try:
            document = parse(Path(path), kind, Columns(*columns))
            done = {"text": document.text, "pieces": [[*one.span, one.place, one.label] for one in document.pieces]}
        except Unreadable as error:
            done = {"unreadable": str(error), "fault": error.fault}
        answers.write(json.dumps(done) + "\n")
        answers.flush()


if __name__ == "__main__":
    _serve()
