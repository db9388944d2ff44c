"""Run one command, and end it when standard input closes.

The writing end of that pipe is held by the process that wanted the server, so the server ends
with it, whatever ended it: a return, an exception, kill -9. Standard library only, no package
imported, so that it is up in a few hundredths of a second.

    keeper.py SIGNAL GRACE USER COMMAND...     USER is a name, or "-" for the one we are
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    number, grace, user, *command = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    other = None if user == "-" else user
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        user=other,
        group=other,
        extra_groups=[] if other else None,
    )
    over = threading.Event()

    def kill() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)

    def end() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, int(number))  # the first process alone: it knows how to end its own
        if not over.wait(float(grace)):
            kill()

    def watch() -> None:
        while os.read(0, 4096):
            pass
        end()

    threading.Thread(target=watch, daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=end, daemon=True).start())
    status = child.wait()
    over.set()
    kill()  # what the first process left behind
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
