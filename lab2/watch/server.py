"""Serves the page of one run to the browsers of this machine, and to those that an SSH tunnel leads here.

It listens on 127.0.0.1 alone. On a shared machine others can connect to that, too, so the address holds a random token;
whatever else is asked for is not found. A page of another site cannot read it either: the `Host` header has to be a
name of this machine (DNS rebinding), and no header allows another origin. It serves two addresses, and no files.

Source: RFC 9110 (methods, Host); the HTML Standard, "Server-sent events"; OWASP, "HTTP Headers".
"""

from __future__ import annotations

import errno
import hmac
import json
import secrets
import socket
import sys
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from lab2.errors import ResourceError
from lab2.watch.feed import Feed

HERE = "127.0.0.1"
NAMES = (HERE, "localhost")  # of this machine, as a browser writes them
MOST_CONNECTIONS = 64
PATIENCE_SECONDS = 20.0  # with a client that does not read or write
SILENT_TURNS = 15  # without news, until a line shows that the connection holds
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class WatchServer(ThreadingHTTPServer):
    """The server of one feed. `serve_forever` serves until `shutdown`, or until an exception such as Ctrl-C."""

    daemon_threads = True  # a browser that stays connected does not keep the process

    def __init__(self, feed: Feed, port: int = 0) -> None:
        """Listen on `port`, 0: on a free one. Raises `ResourceError` where it is taken or not allowed."""
        self.feed = feed
        self.token = secrets.token_urlsafe(32)
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        try:
            super().__init__((HERE, port), _Handler)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            raise ResourceError(f"--port {port}: {error.strerror}; choose another, or leave it out") from error

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def address(self) -> str:
        """Where the page is, with the token."""
        return f"http://{HERE}:{self.port}/{self.token}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own; beyond `MOST_CONNECTIONS` at once the connection is closed."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error; anything else is one of lab2, and keeps its traceback."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: WatchServer
    server_version, sys_version = "lab2", ""
    timeout = PATIENCE_SECONDS

    def parse_request(self) -> bool:
        """Whether the request is to be answered: it has to be a GET to a name of this machine with the token."""
        if not super().parse_request():
            return False
        if self.command != "GET":
            self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)
        elif not _is_here(self.headers.get_all("Host", [])):
            self.send_error(HTTPStatus.FORBIDDEN)
        elif not hmac.compare_digest(self._path[0].encode(), self.server.token.encode()):
            self.send_error(HTTPStatus.NOT_FOUND)
        else:
            return True
        return False

    @property
    def _path(self) -> tuple[str, str]:
        """What should be the token, and what is asked for below it."""
        try:
            first, _, rest = urlsplit(self.path).path.removeprefix("/").partition("/")
        except ValueError:  # a port or an address in the URL that is none
            return "", ""
        return first, rest

    def do_GET(self) -> None:
        if self._path[1] == "":
            shown = self.server.feed.newest()
            more = {"Content-Security-Policy": shown.policy or "frame-ancestors 'none'"}  # a report's is in the page
            self._send(HTTPStatus.OK, shown.page, "text/html; charset=utf-8", more)
        elif self._path[1] == "events":
            self._stream()
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """A status in one line. Nothing that the client sent is in it."""
        status = HTTPStatus(code)
        more = {"Allow": "GET"} if status in (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED) else {}
        self._send(status, f"{status.phrase}\n".encode(), "text/plain; charset=utf-8", more)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the lines would hold the token, and what strangers send."""

    def _send(self, status: HTTPStatus, body: bytes, kind: str, more: dict[str, str]) -> None:
        self._begin(status, kind, {"Content-Length": str(len(body)), **more})
        self.wfile.write(body)

    def _begin(self, status: HTTPStatus, kind: str, more: dict[str, str]) -> None:
        self.close_connection = True
        self.send_response_only(status)
        for name, value in {"Content-Type": kind, **_HEADERS, "Connection": "close", **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def _stream(self) -> None:
        """Send what is new until the client goes away, the run ends or the server does."""
        self._begin(HTTPStatus.OK, "text/event-stream", {})
        seen, silent = -1, 0
        while True:
            shown = self.server.feed.newest()
            if shown.ended:
                self.wfile.write(b"event: ended\ndata: {}\n\n")
                return
            if shown.version != seen:
                seen, silent = shown.version, 0
                data = json.dumps({"html": shown.html, "summary": shown.summary})  # one line
                self.wfile.write(f"event: now\ndata: {data}\n\n".encode())
            elif (silent := silent + 1) % SILENT_TURNS == 0:
                self.wfile.write(b": still here\n\n")
            if not self.server.feed.pause():
                return


def _is_here(hosts: list[str]) -> bool:
    """Whether the `Host` headers are one, and name this machine; any port, as a tunnel may begin at another."""
    if len(hosts) != 1:
        return False
    name, colon, port = hosts[0].strip().partition(":")
    return name.lower() in NAMES and (not colon or port.isdigit())


def tunnel(server: WatchServer, user: str) -> list[str]:
    """The command that, typed on another machine, leads a port of it here."""
    return ["ssh", "-N", "-L", f"{server.port}:{HERE}:{server.port}", f"{user}@{socket.gethostname()}"]
