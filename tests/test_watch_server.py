"""`lab2 watch` gives the run to whoever has the address, and to nobody else."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lab2.errors import ResourceError
from lab2.file_lock import held
from lab2.results.run_dir import RunDir
from lab2.results.shard import unfinished, write_shard
from lab2.watch.feed import Feed
from lab2.watch.server import HERE, MOST_CONNECTIONS, WatchServer, tunnel
from tests.conftest import make_run, make_trial
from tests.watched import ask, connected, events, parsed, serving

NASTY = "</main><script>alert(1)</script>\u202e & more"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDir]:
    """A run that goes on: one trial has failed, one waits."""
    failed, waiting = make_trial("cnn"), make_trial("vit")
    run = make_run(tmp_path, failed, waiting)
    write_shard(run.shard(failed.name), unfinished(failed, "failed", NASTY))
    with held(run.launcher):
        yield run


@pytest.fixture
def server(run: RunDir) -> Iterator[WatchServer]:
    with serving(run) as server:
        yield server


def test_whoever_has_the_address_sees_the_run(server: WatchServer):
    for host in (f"{HERE}:{server.port}", "localhost:9999", "LOCALHOST", HERE):
        reply = ask(server, f"/{server.token}/", hosts=(host,))
        assert reply.status == 200
        assert "0 of 2 trials finished, 1 failed, 1 waiting" in reply.body


PATHS = (
    *("/", "/index.html", "/events", "/{part}/", "/{token}x/", "/{other}/", "/{other}/events", "/?{token}/"),
    *("/{token}/plan.json", "/{token}/../plan.json", "/{token}/../../../../../etc/passwd", "/{token}//etc/passwd"),
    *("/{token}/%2e%2e/plan.json", "/{token}/..%2fplan.json", "/{token}/events/../plan.json", "/{token}/events/"),
    *("/{token}/\\..\\plan.json", "/{token}/events%00", "/%00{token}/", "http://[::1/{token}/", "/x/{token}/"),
)


@pytest.mark.parametrize("path", PATHS)
def test_nothing_else_is_found(server: WatchServer, path: str):
    token = server.token
    other = token[:-1] + ("A" if token[-1] != "A" else "B")
    reply = ask(server, path.format(token=token, part=token[:-1], other=other))
    assert (reply.status, reply.body) in {(404, "Not Found\n"), (400, "Bad Request\n")}


@pytest.mark.parametrize(
    "hosts",
    [
        *(("evil.example",), ("evil.example:80",), (f"{HERE}.evil.example",), ("localhost.evil.example",), ()),
        *((HERE, "evil.example"), (HERE, HERE), ("localhost:80@evil.example",), ("0.0.0.0",), ("",), ("[::1]",)),
    ],
)
def test_another_host_is_refused_even_with_the_token(server: WatchServer, hosts: tuple[str, ...]):
    reply = ask(server, f"/{server.token}/", hosts=hosts)
    assert (reply.status, reply.body) == (403, "Forbidden\n")


@pytest.mark.parametrize(
    "method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE", "PATCH", "get", "X"]
)
def test_no_other_method_is_answered(server: WatchServer, method: str):
    reply = ask(server, f"/{server.token}/", method=method)
    assert (reply.status, reply.headers["Allow"]) == (405, "GET")


@pytest.mark.parametrize(
    "line", [b"GET /", b"", b"\x00\xff", b"GET / HTTP/9.9", b"GET " + b"/" * 70_000 + b" HTTP/1.1"]
)
def test_what_is_no_request_gets_no_page(server: WatchServer, line: bytes):
    with connected(server) as client:
        client.sendall(line + b"\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(ConnectionResetError):  # it was closed before all that was sent had been read
            answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert b"<html" not in answer
    assert b"lab2" not in answer


def test_only_this_machine_can_connect(server: WatchServer):
    with pytest.raises(OSError, match="refused"):  # another address of the loopback: it listens on one alone
        socket.create_connection(("127.0.0.2", server.port), timeout=5)


def test_a_page_may_do_nothing_but_ask_its_server(server: WatchServer):
    reply = ask(server, f"/{server.token}/")
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Referrer-Policy"] == "no-referrer"  # the address is the key
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert not {"Access-Control-Allow-Origin", "Server", "Date"} & reply.headers.keys()
    assert re.findall(r"(?:src|href)=.{0,20}", reply.body) == []
    for name in ("Cache-Control", "Referrer-Policy", "X-Frame-Options"):
        assert ask(server, "/").headers[name] == reply.headers[name]


def test_what_others_wrote_is_text(server: WatchServer):
    page = ask(server, f"/{server.token}/").body
    with events(server) as sent:
        name, data = next(sent)
    assert name == "now"
    for html in (page, data["html"]):
        assert "<script>alert" not in html
        assert "&lt;/main&gt;&lt;script&gt;alert(1)&lt;/script&gt;\\u202e &amp; more" in html


def test_each_server_has_a_token_of_its_own(run: RunDir):
    with serving(run) as one, serving(run) as other:
        assert len(one.token) >= 43  # 256 bits in base64
        assert one.token != other.token
        assert ask(other, f"/{one.token}/").status == 404


def test_clients_that_say_nothing_leave_room_again(server: WatchServer):
    silent = [connected(server) for _ in range(MOST_CONNECTIONS)]
    with connected(server) as late:
        assert late.recv(1) == b""  # closed at once
    for client in silent:
        client.close()
    while not (answer := attempted(server)):  # its threads end when they read that their clients have gone
        pass
    assert parsed(answer).status == 200


def attempted(server: WatchServer) -> bytes:
    """The answer to a request; empty where the server closed the connection."""
    with connected(server) as client, suppress(ConnectionError):
        client.sendall(f"GET /{server.token}/ HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return b"".join(iter(lambda: client.recv(65536), b""))
    return b""


def test_a_port_that_is_taken_is_said(server: WatchServer, run: RunDir):
    with pytest.raises(ResourceError, match=rf"--port {server.port}: .*; choose another, or leave it out"):
        WatchServer(Feed(run, 1.0, bytes), server.port)


def test_the_tunnel_leads_to_its_port(server: WatchServer):
    words = tunnel(server, "ada")
    assert words[:4] == ["ssh", "-N", "-L", f"{server.port}:127.0.0.1:{server.port}"]
    assert words[4] == f"ada@{socket.gethostname()}"
