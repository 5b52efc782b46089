"""A server of `lab2 watch` in this process, and raw requests to it, as no browser would send them."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lab2.report.page.page import index_html
from lab2.report.report import make_report
from lab2.results.collect import collect
from lab2.results.run_dir import RunDir
from lab2.watch.feed import Feed
from lab2.watch.server import HERE, WatchServer
from tests.conftest import PATIENCE_S


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the server sent."""

    status: int
    headers: dict[str, str]
    body: str


@contextmanager
def serving(run: RunDir, seconds: float = 0.02) -> Iterator[WatchServer]:
    """A server of `run`, which is looked at every so many `seconds` at most."""
    feed = Feed(run, seconds, lambda: index_html(make_report(run, collect(run))))
    with WatchServer(feed) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            feed.stop()
            server.shutdown()
            thread.join()


def connected(server: WatchServer) -> socket.socket:
    return socket.create_connection((HERE, server.port), timeout=PATIENCE_S)


def ask(server: WatchServer, path: str, *, method: str = "GET", hosts: tuple[str, ...] | None = None) -> Reply:
    """The reply to a request with these `Host` headers, by default the right one; `path` is sent as it is."""
    named = hosts if hosts is not None else (f"{HERE}:{server.port}",)
    lines = [f"{method} {path} HTTP/1.1", *(f"Host: {host}" for host in named), "", ""]
    with connected(server) as client:
        client.sendall("\r\n".join(lines).encode())
        return parsed(b"".join(iter(lambda: client.recv(65536), b"")))


def parsed(answer: bytes) -> Reply:
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return Reply(status=int(first.split()[1]), headers=headers, body=body.decode())


@contextmanager
def events(server: WatchServer) -> Iterator[Iterator[tuple[str, dict[str, Any]]]]:
    """The events that a browser gets, by their names, with their data."""
    with connected(server) as client, client.makefile("rb") as lines:
        client.sendall(f"GET /{server.token}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield _events(lines)


def _events(lines: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in lines:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)
