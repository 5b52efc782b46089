"""A process that has imported torch once, and forks a process for each trial: a trial starts in milliseconds.

`ForkServer` starts it, `fork_client.py` asks it. Each trial still has a process of its own, with the environment, the
folder and the open files of its client. The server runs nothing but imports: it starts no thread and touches no GPU,
which a fork would not survive. It ends when whoever started it has ended and no trial runs any more.

Linux only: elsewhere forking a process that has loaded the system's libraries is not safe.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy as np

from lab2.launch import fork_client
from lab2.launch.environment import leave_threads_unbound, trial_environment
from lab2.measure.memory import make_resident, resident_of_files

LONGEST_PATH = 100  # bytes; of a socket, unix(7) says 108
WAITING = 64  # clients that may wait for an answer
# What every trial imports. torch's optimisers import its compiler when they are made.
PRELOADED = ("lab2.trial", "torch._dynamo", "submitit.core.submission")


class ForkServer:
    """A server for trials with `threads` each. Close it, and it ends with the last of its trials.

    `name` is shown by ps. The server keeps the signals that are ignored when it is made, and its trials do likewise.
    """

    def __init__(self, threads: int, name: str) -> None:
        self.threads = threads
        self._folder = Path(tempfile.mkdtemp(prefix="lab2-"))
        self._path = self._folder / "s"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self._path))
            listener.listen(WAITING)
            words = [sys.executable, "-u", "-P", "-m", "lab2.launch.fork_server"]
            with trial_environment(threads):
                self._process = subprocess.Popen(
                    [*words, str(listener.fileno()), str(self._folder), name],
                    pass_fds=[listener.fileno()],
                    stdin=subprocess.PIPE,  # closed when this process ends, however it does
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,  # where it fails, the trial's own process does, too, and logs it
                )

    @property
    def python(self) -> str:
        """What to call in place of Python to run `-u -m submitit.core._submit FOLDER` in a forked process."""
        return shlex.join([sys.executable, "-I", "-S", fork_client.__file__, str(self._path), sys.executable])

    def close(self) -> None:
        """Let the server end when its trials have."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def end(self) -> None:
        """Close the server, whose trials have ended, and wait for it."""
        self.close()
        self._process.terminate()  # it may still import
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def is_possible() -> bool:
    """Whether this system can have a server: Linux, with a temporary folder whose path is short enough."""
    try:
        folder = os.fsencode(tempfile.gettempdir())
    except FileNotFoundError:  # none that can be written
        return False
    return sys.platform == "linux" and len(folder) < LONGEST_PATH - len("/lab2-12345678/s")


def make_server(threads: int, name: str) -> ForkServer | None:
    """A `ForkServer`; None where this system cannot have one, as where there is no place for its socket."""
    if not is_possible():
        return None
    try:
        return ForkServer(threads, name)
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class _Request:
    """What a client asks for, and its standard files."""

    environment: dict[str, str]
    folder: str
    command: list[str]
    files: list[int]

    @classmethod
    def read(cls, connection: socket.socket) -> _Request | None:
        """None where the client has gone."""
        try:
            start, files, _, _ = socket.recv_fds(connection, 4096, 3)
            size, _, content = start.partition(b"\n")
            while len(content) < int(size):
                more = connection.recv(65536)
                if not more:
                    return None
                content += more
            asked = json.loads(content)
        except (OSError, ValueError):
            return None
        return cls(asked["environment"], asked["folder"], asked["command"], files)

    def become(self) -> list[str]:
        """Give this process, which was forked, the client's files, folder and environment. Returns the command."""
        for number, file in enumerate(self.files):
            os.dup2(file, number)
        self.close()
        os.chdir(self.folder)
        os.environ.clear()
        os.environ.update(self.environment)
        np.random.seed()  # otherwise each process would draw the same numbers; Python's own are seeded by a fork
        return self.command

    def close(self) -> None:
        for file in self.files:
            os.close(file)


@dataclass(frozen=True, slots=True)
class _Client:
    """A client, and the process that was forked for it."""

    connection: socket.socket
    pid: int

    def obey(self) -> None:
        """Pass on the signals that the client was sent. A client that was killed takes its process along."""
        try:
            numbers = self.connection.recv(64)
        except OSError:
            numbers = b""
        for number in numbers or bytes([signal.SIGKILL]):
            os.kill(self.pid, number)

    def has_ended(self) -> bool:
        """Whether the process has ended; its client is then told how."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return False
        with suppress(OSError), self.connection:
            self.connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
        return True


class _Server:
    """Answers clients until its owner, at the other end of standard input, has ended, and all processes have."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.clients: list[_Client] = []
        self.wake, self.woken = os.pipe()
        os.set_blocking(self.woken, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.woken, warn_on_full_buffer=False)

    def serve(self) -> list[str] | None:
        """Fork a process for each client. Returns in a forked process, with its command, and None at the end."""
        owner, owned = sys.stdin.fileno(), True
        while owned or self.clients:
            asking = [owner, self.listener] if owned else []
            ready = select.select([self.wake, *asking, *(one.connection for one in self.clients)], [], [])[0]
            for one in self.clients:
                if one.connection in ready:
                    one.obey()
            if self.wake in ready:
                os.read(self.wake, 4096)
                self.clients = [one for one in self.clients if not one.has_ended()]
            if owned and owner in ready:
                owned = False
                self.listener.close()  # a client that waits is refused, and runs the command itself
            elif owned and self.listener in ready and (command := self._answer()) is not None:
                return command
        return None

    def _answer(self) -> list[str] | None:
        """Fork for the client that waits. Returns the command in the forked process, and None in the server."""
        connection = self.listener.accept()[0]
        request = _Request.read(connection)
        if request is None:
            connection.close()
            return None
        pid = os.fork()
        if not pid:
            connection.close()
            self._leave()
            return request.become()
        request.close()
        self.clients.append(_Client(connection, pid))
        with suppress(OSError):  # the client has gone: the next loop sees it, too
            connection.sendall(b"%d\n" % pid)
        return None

    def _leave(self) -> None:
        """Close in a forked process what is the server's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.listener.close()
        for one in self.clients:
            one.connection.close()
        os.close(self.wake)
        os.close(self.woken)


def main(listener: int, folder: str) -> None:
    """The server's process, and each that it forks."""
    leave_threads_unbound()
    for module in PRELOADED:
        import_module(module)
    gc.collect()
    gc.freeze()  # what is there now is garbage in no process: looking for it would copy its pages
    pages = resident_of_files()
    command = _Server(socket.socket(fileno=listener)).serve()
    if command is None:
        shutil.rmtree(folder, ignore_errors=True)
        return
    make_resident(pages)
    _, _, _, module, *sys.argv[1:] = command  # python -u -m MODULE ...
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
