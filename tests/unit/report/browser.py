"""Headless Chromium for tests of pages: one for all tests of a process, a tab for each."""

import atexit
import contextlib
import functools
import os
import shutil

import pytest


@contextlib.contextmanager
def opened(path, *, width=1280, dark=False):
    """A driver that shows the page at `path`; on leaving, nothing may stand in the console."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing:
        reason = f"{' and '.join(missing)} not installed (apt-get install chromium chromium-driver)"
        (pytest.fail if os.environ.get("EDGEKIT_CI") else pytest.skip)(reason)
    driver, home = _browser()
    driver.switch_to.new_window("tab")
    try:
        driver.set_script_timeout(30)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        if width < 600:
            metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": True}
            driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        driver.get_log("browser")  # what an earlier page left
        driver.get(path.as_uri())
        yield driver
        assert driver.get_log("browser") == []
    finally:
        driver.close()
        driver.switch_to.window(home)


@functools.cache
def _browser():
    """The driver, and its first tab, which stays empty."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,1000"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.binary_location = shutil.which("chromium")
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    atexit.register(driver.quit)
    return driver, driver.current_window_handle
