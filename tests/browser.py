"""A real browser for tests: Chromium, driven by chromedriver. Source: WebDriver (W3C) and the Chrome DevTools Protocol.

Both come with Debian (`chromium`, `chromium-driver`). No client library is needed for what the tests ask.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.conftest import PATIENCE_S

PROGRAMS = ("chromium", "chromedriver")
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # WebDriver, 12.1
_UNLIMITED = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Space": "\ue00d", "Down": "\ue015", "Back": "\ue003"}
DEMANDED = "LAB2_TEST_PAGE"  # set by CI: then what these tests need and have not is an error
MOST_STOPS = 400  # of the Tab key until something has to be reached


def missing() -> list[str]:
    """The programs that are not here."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


def unavailable(reason: str) -> NoReturn:
    """Skip the test, aloud; where CI demands it, fail."""
    if os.environ.get(DEMANDED):
        pytest.fail(f"{DEMANDED} is set, but {reason}")
    pytest.skip(f"LOUD: {reason}")


class Browser:
    """One window without a network."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.session = ""
        self._said: list[str] = []

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """The value that chromedriver answers with. Raises `AssertionError` with its message."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}{self.session}{path}", data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error

    def begin(self) -> None:
        words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage"]
        options = {"args": words, "binary": shutil.which("chromium")}
        wanted = {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"script": 1000 * PATIENCE_S},
        }
        answer = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = f"/session/{answer['sessionId']}"
        self.devtools("Network.enable")
        self.devtools("Network.emulateNetworkConditions", offline=True, **_UNLIMITED)

    def devtools(self, command: str, **parameters: Any) -> Any:
        return self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, file: Path, *, width: int = 1440, dark: bool = False, scripts: bool = True) -> None:
        """Show a file from disk."""
        self._prepare(width=width, dark=dark, scripts=scripts)
        self.ask("POST", "/url", {"url": file.absolute().as_uri()})

    def visit(self, address: str, *, width: int = 1440, dark: bool = False) -> None:
        """Show a page that a server on this machine has; from here on there is a network."""
        self.devtools("Network.emulateNetworkConditions", offline=False, **_UNLIMITED)
        self._prepare(width=width, dark=dark, scripts=True)
        self.ask("POST", "/url", {"url": address})

    def _prepare(self, *, width: int, dark: bool, scripts: bool) -> None:
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.devtools("Emulation.setEmulatedMedia", media="", features=[scheme])
        self.devtools("Emulation.setScriptExecutionDisabled", value=not scripts)

    def on_paper(self, width: int) -> None:
        """Show the same page as it is printed, so many pixels wide."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.devtools("Emulation.setDeviceMetricsOverride", **size)
        self.devtools("Emulation.setEmulatedMedia", media="print", features=[])

    def messages(self) -> list[str]:
        """What the console has said, errors and warnings, of all pages since `forget`."""
        found = self.ask("POST", "/se/log", {"type": "browser"})
        self._said += [f"{one['level']}: {one['message']}" for one in found if one["level"] in ("SEVERE", "WARNING")]
        return self._said

    def forget(self) -> None:
        """Begin anew with the messages."""
        self.messages()
        self._said = []

    def run(self, script: str, *arguments: Any) -> Any:
        """The value that a function body returns, with `arguments`."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script: str, *arguments: Any) -> Any:
        """The same of a body that calls its last argument with the value."""
        return self.ask("POST", "/execute/async", {"script": script, "args": list(arguments)})

    def text(self, selector: str) -> str:
        return str(self.run("return document.querySelector(arguments[0]).innerText", selector))

    def texts(self, selector: str) -> list[str]:
        """Of all elements that are seen."""
        return list(
            self.run(
                "return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility())"
                ".map(e => e.textContent.trim())",
                selector,
            )
        )

    def click(self, selector: str) -> None:
        element = self.ask("POST", "/element", {"using": "css selector", "value": selector})[_ELEMENT]
        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", {_ELEMENT: element})
        self.ask("POST", f"/element/{element}/click", {})

    def choose(self, selector: str, value: str) -> None:
        """Choose an option as a reader would: the change is announced."""
        self.run(
            "const s = document.querySelector(arguments[0]); s.value = arguments[1];"
            "s.dispatchEvent(new Event('change', {bubbles: true}))",
            selector,
            value,
        )

    def press(self, *keys: str) -> None:
        """Press keys one after the other: names of `KEYS`, or letters."""
        steps = [{"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": steps}]})

    def tab_to(self, selector: str) -> None:
        """Press Tab until an element that `selector` fits has the focus."""
        for _ in range(MOST_STOPS):
            self.press("Tab")
            if self.run("return document.activeElement.matches(arguments[0])", selector):
                return
        raise AssertionError(f"{MOST_STOPS} times Tab do not reach {selector}")

    def picture(self, file: Path) -> None:
        """The whole page as PNG."""
        size = self.devtools("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.devtools("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        file.write_bytes(b64decode(shot["data"]))

    def pdf(self) -> bytes:
        """The page as it is printed."""
        return b64decode(self.devtools("Page.printToPDF", printBackground=True)["data"])


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser whose driver writes what it says into `folder`. Skips the test without one; in CI it fails."""
    if missing():
        unavailable(f"no {' and no '.join(missing())} here (Debian: apt install chromium chromium-driver)")
    with (folder / "chromedriver.log").open("w+") as log:
        driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=log, stderr=subprocess.STDOUT, text=True)
        found = Browser(f"http://127.0.0.1:{_port(folder / 'chromedriver.log', driver)}")
        try:
            found.begin()
            yield found
        finally:
            try:
                if found.session:
                    found.ask("DELETE", "", None)
            finally:
                driver.terminate()
                driver.wait(PATIENCE_S)


@contextmanager
def silent(found: Browser) -> Iterator[Browser]:
    """The same browser, for a test at whose end the console must have said nothing."""
    found.forget()
    yield found
    assert found.messages() == []


def _port(log: Path, driver: subprocess.Popen[str]) -> int:
    """The port that the driver chose, which it says when it is ready."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and driver.poll() is None:
        for line in log.read_text().splitlines():
            if "started successfully on port " in line:
                return int(line.rsplit(" ", 1)[1].rstrip("."))
        time.sleep(0.1)
    raise AssertionError(f"chromedriver does not start: {log.read_text()}")
