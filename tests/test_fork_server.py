"""A forked process is like one of its own: its files, environment, signals, end and memory."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab2.launch.fork_server import ForkServer, is_possible, make_server
from tests.test_local import children, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not is_possible(), reason="LOUD: it exists on Linux only")]

ABOUT = """
import os, sys
from pathlib import Path
print("torch" in sys.modules, os.environ.get("MARK"), Path.cwd().name, sys.argv[1:])
print("to the other", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""
WAIT = """
import time
print("ready", flush=True)
time.sleep(600)
"""
MEMORY = """
import lab2.trial, torch._dynamo, submitit.core.submission
from lab2.measure.memory import in_use
print(in_use())
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of modules that the processes can import."""
    folder = tmp_path_factory.mktemp("modules")
    for name, text in (("about_", ABOUT), ("wait_", WAIT), ("memory_", MEMORY)):
        (folder / f"{name}.py").write_text(text)
    return folder


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[ForkServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(place), os.environ.get("PYTHONPATH", "")]))
        made = ForkServer(1, str(place))
        yield made
        made.end()
    assert not children(place)


def words(server: ForkServer, module: str, *more: str) -> list[str]:
    return [*shlex.split(server.python), "-u", "-m", module, *more]


@pytest.mark.parametrize("code", [0, 7])
def test_it_has_what_its_client_has_and_ends_as_it_does(server: ForkServer, tmp_path: Path, code: int):
    done = subprocess.run(
        words(server, "about_", str(code)),
        env={**os.environ, "MARK": "ä of this one"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code
    assert done.stdout == f"True ä of this one {tmp_path.name} ['{code}']\n"
    assert done.stderr == "to the other\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR2, signal.SIGKILL])
def test_a_signal_to_the_client_ends_both(server: ForkServer, place: Path, number: signal.Signals):
    before = len(children(place))
    client = subprocess.Popen(words(server, "wait_"), stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    assert client.stdout.readline() == "ready\n"
    assert len(children(place)) == before + 1
    client.send_signal(number)
    assert client.wait(20) == -number
    wait_for(lambda: len(children(place)) == before)


def test_a_server_that_waits_has_one_thread(server: ForkServer, place: Path):
    """A fork copies no other thread, nor what it holds."""
    subprocess.run(words(server, "about_", "0"), capture_output=True, check=True)
    wait_for(lambda: len(children(place)) == 1)
    assert len(list(Path(f"/proc/{children(place)[0]}/task").iterdir())) == 1


def test_its_memory_is_that_of_a_process_that_imported_the_same(server: ForkServer, place: Path):
    forked, own = (
        int(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)
        for command, environment in (
            (words(server, "memory_"), dict(os.environ)),
            ([sys.executable, "-m", "memory_"], {**os.environ, "PYTHONPATH": os.environ["PYTHONPATH"]}),
        )
    )
    assert forked == pytest.approx(own, rel=0.1)


def test_a_client_without_a_server_runs_the_command_itself(server: ForkServer, place: Path):
    command = words(server, "about_", "3")
    command[command.index("-S") + 2] = str(place / "no socket")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, f"False None {Path.cwd().name} ['3']\n")


def test_without_a_temporary_folder_or_in_a_deep_one_trials_start_on_their_own(monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "tempdir", "/" + 100 * "d")
        assert not is_possible()
        patch.setattr(tempfile, "tempdir", None)
        patch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc/none"])
        assert not is_possible()


def test_where_its_socket_has_no_place_there_is_none(monkeypatch: pytest.MonkeyPatch):
    def full(**_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    assert make_server(1, "none") is None
