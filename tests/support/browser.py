"""A real browser without a window: Chromium by its own driver, which selenium would otherwise download."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)
REMEDY = "install Chromium and its driver (Debian: apt-get install chromium chromium-driver)"


def _program(*names: str) -> str:
    found = next(filter(None, map(shutil.which, names)), None)
    assert found is not None, f"none of {', '.join(names)} found: {REMEDY}"
    return found


@contextmanager
def browser(profile: Path, width: int = 1280, height: int = 1000) -> Iterator[webdriver.Chrome]:
    """Start the browser with a new, empty profile; it is gone after the block.

    Args:
        profile: folder to make.
        width: of the page, in pixels.
        height: of it.
    """
    options = Options()
    options.binary_location = _program("chromium", "chromium-browser", "google-chrome")
    for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options, Service(_program("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()
