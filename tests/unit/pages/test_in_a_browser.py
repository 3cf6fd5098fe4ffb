"""The pages as Chromium shows them: nothing sticks out, nothing goes wrong, everything can be read."""

import base64
import importlib.util
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from mxlib.model.outcome import Outcome
from mxlib.pages.roll import page as roll_page
from mxlib.pages.run import page as run_page
from mxlib.pages.verify import page as verify_page
from mxlib.reboot import report
from mxlib.roll import report as roll_report
from tests.unit.support.journals import HOST, HOSTILE, RUN, WHO, recorded, rolled, verified, whole

TOOLS = {"chromium": "chromium", "chromedriver": "chromium-driver"}
LIBRARIES = ("selenium", "axe_core_python")
MISSING = [
    *(f"{tool} (Debian: {package})" for tool, package in TOOLS.items() if not shutil.which(tool)),
    *(f"{name} (tests/run --browser)" for name in LIBRARIES if not importlib.util.find_spec(name)),
]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}")
WIDTHS = (360, 1400)
SCHEMES = ("light", "dark")


def _run(events: Any, command: str = "") -> str:
    return run_page(report.build(HOST, RUN, WHO, "kernel update", events, command), events)


def _roll(events: Any) -> str:
    return roll_page(roll_report.build(events), events)


PAGES = {
    "run": lambda: _run(whole()),
    "run-hostile": lambda: _run(whole(HOSTILE), "cookbook sre.mail.pool-mx mx2001.lab.test"),
    "verify": lambda: verify_page(verified(), Outcome.FAILED, "cookbook sre.mail.remedy-mx mx2001.lab.test --suggest"),
    "verify-hostile": lambda: verify_page(verified(HOSTILE), Outcome.FAILED, "", (f"note {HOSTILE}",)),
    "roll": lambda: _roll(rolled()),
    "roll-hostile": lambda: _roll(rolled(HOSTILE)),
    "roll-blocked": lambda: _roll(recorded("roll-blocked")),
    "run-interrupted": lambda: _run(recorded(), f"cookbook sre.mail.reboot-mx {HOST} --resume"),
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    # Without its sandbox, which needs what a container or root does not give; it sees only our own files.
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@cache
def file_of(name: str, folder: Path) -> Path:
    path = folder / f"{name}.html"
    path.write_text(PAGES[name](), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(params=[(name, width, scheme) for name in PAGES for width in WIDTHS for scheme in SCHEMES], ids=str)
def shown(request: pytest.FixtureRequest, browser: Any, folder: Path) -> Any:
    """A page, with all that is folded open."""
    name, width, scheme = request.param
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get_log("browser")
    browser.get(file_of(name, folder).as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach(one => one.open = true)")
    yield browser
    if request.config.getoption("verbose") > 1:
        picture(browser, folder / f"{name}-{width}-{scheme}.png")


def picture(browser: Any, path: Path) -> None:
    found = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "format": "png"})
    path.write_bytes(base64.b64decode(found["data"]))


STICKS_OUT = """
const wide = document.documentElement.clientWidth;
return [...document.querySelectorAll('body *')]
  .filter(one => !one.closest('.wide') && one.getClientRects().length && one.getBoundingClientRect().right > wide + 1)
  .map(one => one.tagName + ' ' + one.textContent.slice(0, 60));
"""


def test_nothing_sticks_out(shown: Any) -> None:
    assert shown.execute_script(STICKS_OUT) == []
    page = "document.documentElement"
    assert shown.execute_script(f"return {page}.scrollWidth - {page}.clientWidth") == 0


def test_nothing_goes_wrong_and_nothing_is_loaded_or_run(shown: Any) -> None:
    assert shown.get_log("browser") == []
    assert shown.execute_script("return document.scripts.length + document.images.length") == 0
    assert shown.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert shown.execute_script("return document.querySelectorAll('h1').length") == 1


def test_everything_can_be_read_by_everybody(shown: Any) -> None:
    from axe_core_python.selenium import Axe

    found = Axe().run(shown)
    assert "color-contrast" in {one["id"] for one in found["passes"]}
    assert [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found["violations"]] == []


def test_it_can_be_seen(browser: Any, folder: Path) -> None:
    browser.get(file_of("run", folder).as_uri())
    path = folder / "run.png"
    picture(browser, path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 20_000


def test_what_sticks_out_and_what_cannot_be_read_is_found(browser: Any, folder: Path) -> None:
    """The looks above can fail."""
    from axe_core_python.selenium import Axe

    bad = "<p style='color:#ccc;background:#ddd;width:3000px'>hard to read</p>"
    page = file_of("run", folder).read_text().replace("</h1>", f"</h1>{bad}")
    (folder / "bad.html").write_text(page)
    browser.get((folder / "bad.html").as_uri())
    assert browser.execute_script(STICKS_OUT) != []
    assert "color-contrast" in {one["id"] for one in Axe().run(browser)["violations"]}
