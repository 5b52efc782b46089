"""Asks the fork server for a process, waits for its end, and ends as it did. Called as a script, with a path.

The arguments are the server's socket and then the command that the process stands for; where there is no server, that
command is run. submitit's controller starts this in place of the command, so it sees one process as ever: signals are
passed on, and SIGKILL of this process is SIGKILL of the other. Only small modules are imported: it starts in 20 ms.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time

PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)
POLL_SECONDS = 0.2


def main(path: str, command: list[str]) -> None:
    """Ends with the exit code of the process, or by the signal that ended it."""
    try:
        server = socket.socket(socket.AF_UNIX)
        server.connect(path)
        asked = {"environment": dict(os.environ), "folder": os.getcwd(), "command": command}  # noqa: PTH109  # pathlib takes longer than all else
        request = json.dumps(asked).encode()
        socket.send_fds(server, [b"%d\n" % len(request)], [0, 1, 2])
        server.sendall(request)
        answers = server.makefile()
        pid = int(answers.readline())
    except (OSError, ValueError):  # the server has ended, or could not import torch: the command will say why
        os.execv(command[0], command)
    for number in PASSED_ON:
        signal.signal(number, lambda got, _frame: _pass_on(server, pid, got))
    answer = answers.readline()
    if not answer:  # the server was killed; the process goes on without it
        while _is_there(pid):
            time.sleep(POLL_SECONDS)
        sys.exit(1)
    code = int(answer)
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
        os.kill(os.getpid(), -code)
    sys.exit(code)


def _pass_on(server: socket.socket, pid: int, number: int) -> None:
    try:
        server.sendall(bytes([number]))
    except OSError:
        os.kill(pid, number)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
