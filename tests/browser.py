"""A headless Chromium that opens pages from disk, and what it complained about or asked for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    "headless",
    "no-sandbox",
    "disable-gpu",
    "disable-quic",
    "no-first-run",
    "disable-background-networking",
    "disable-component-update",
    "disable-sync",
)


@contextmanager
def chromium(profile: Path, width: int = 1200, height: int = 900) -> Iterator[Any]:
    """Selenium's driver of a new Chromium with an empty profile. Where Debian's packages are not
    there, root installs them, and other users skip the test."""
    selenium = pytest.importorskip("selenium.webdriver", reason="needs selenium")
    programs = [shutil.which(program) or _installed(program) for program in PACKAGES]
    options = selenium.ChromeOptions()
    options.binary_location, driver = programs
    for flag in (*FLAGS, f"window-size={width},{height}", f"user-data-dir={profile}"):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = selenium.Chrome(options, selenium.ChromeService(driver))
    try:
        yield browser
    finally:
        browser.quit()


PACKAGES = {"chromium": "chromium", "chromedriver": "chromium-driver"}
"""Programs, and the packages of Debian's that hold them."""


def _installed(program: str) -> str:
    if os.geteuid() or not shutil.which("apt-get"):
        pytest.skip(f"needs {program}: install Debian's package {PACKAGES[program]}")
    for command in (
        ["update"],
        ["install", "--yes", "--no-install-recommends", *PACKAGES.values()],
    ):
        done = subprocess.run(["apt-get", "--quiet", *command], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"needs {program}, which cannot be installed: {done.stderr[-300:]}")
    return str(shutil.which(program))


def errors(browser: Any) -> list[str]:
    """What stands in the console as an error."""
    return [line["message"] for line in browser.get_log("browser") if line["level"] == "SEVERE"]


def requested(browser: Any) -> list[str]:
    """The addresses beyond this machine's disk that pages have asked for."""
    events = [json.loads(line["message"])["message"] for line in browser.get_log("performance")]
    starts = ("Network.requestWillBeSent", "Network.webSocketCreated")
    found = [event["params"] for event in events if event["method"] in starts]
    addresses = [params.get("url") or params["request"]["url"] for params in found]
    own = ("file:", "data:", "blob:", "chrome:", "about:")
    return [address for address in addresses if not address.startswith(own)]
