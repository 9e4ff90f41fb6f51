"""The report of a front in a real browser: points, hover, ratios, another axis, sorting, no network."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait
from support.browser import browser
from support.sweeps import AFTER, BEFORE, MEASURES, MODELS, plain, save_sweep

from ama.report.front.write import write_front_report
from ama.settings.report import FrontSettings

SECONDS = 10
FAILED = plain(0.9)
SCHEDULE = "split|1#3|0.6|0.4|0.3"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a sweep with one failure."""
    folder = tmp_path_factory.mktemp("front")
    failures = {FAILED.weights: {"piqa acc": "out of <memory>"}}
    save_sweep(folder, MODELS, MEASURES, failures=failures, items=100)
    write_front_report([folder], folder, FrontSettings(draws=50))
    return folder / "report.html"


@pytest.fixture(scope="module")
def driver(page: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """A browser with the page open."""
    with browser(tmp_path_factory.mktemp("profile") / "new") as driver:
        driver.get(page.as_uri())
        _wait(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "#ratios .bars .point"))
        # The chart stands beside the ratios, not behind them.
        ends = "arguments[0].getBoundingClientRect().right <= arguments[1].getBoundingClientRect().left"
        parts = [driver.find_element(By.CSS_SELECTOR, name) for name in ("#front .main-svg", "#ratios")]
        _wait(driver, lambda: driver.execute_script(f"return {ends}", *parts))
        yield driver


def _wait(driver: webdriver.Chrome, condition: Any) -> Any:
    return WebDriverWait(driver, SECONDS).until(lambda _: condition())


def _point_of(driver: webdriver.Chrome, schedule: str) -> tuple[float, float]:
    """Return where in the window the marker of an average is, as plotly's own axes have it."""
    script = """
      const front = document.getElementById("front"), box = front.getBoundingClientRect();
      for (const trace of front.data) {
        const place = (trace.hovertext || []).findIndex((text) => text.includes(arguments[0]));
        if (place >= 0) {
          const { xaxis, yaxis } = front._fullLayout;
          return [box.left + xaxis._offset + xaxis.d2p(trace.x[place]),
                  box.top + yaxis._offset + yaxis.d2p(trace.y[place])];
        }
      }"""
    x, y = driver.execute_script(script, schedule)
    return x, y


def _move(driver: webdriver.Chrome, place: tuple[float, float]) -> ActionChains:
    driver.execute_script("window.scrollTo(0, 0)")
    actions = ActionChains(driver, duration=50)
    actions.w3c_actions.pointer_action.move_to_location(round(place[0]), round(place[1]))
    return actions


def _table(driver: webdriver.Chrome, title: str) -> WebElement:
    return driver.find_element(By.XPATH, f"//h2[text()='{title}']/following-sibling::div[1]/table")


def _columns(table: WebElement, column: int) -> list[str]:
    cells = table.find_elements(By.CSS_SELECTOR, f"tbody td:nth-child({column})")
    return [cell.get_attribute("data-value") or "" for cell in cells]


def test_every_point_and_curve_is_drawn(driver: webdriver.Chrome) -> None:
    script = "return document.querySelectorAll('#front .scatterlayer .point').length"
    # Two averages are the parents, one has failed; the recommended point has a ring.
    assert driver.execute_script(script) >= len(MODELS) - 3 + 1
    legend = [entry.text for entry in driver.find_elements(By.CSS_SELECTOR, "#front .legendtext")]
    assert legend == ["plain averaging", "input third", "AMA, text", "AMA, reply", "recommended"]
    names = [entry.text for entry in driver.find_elements(By.CSS_SELECTOR, "#front .textpoint")]
    assert [name.strip() for name in names] == [BEFORE.schedule, AFTER.schedule]


def test_hovering_shows_the_scores_and_draws_the_ratios(driver: webdriver.Chrome) -> None:
    _move(driver, _point_of(driver, SCHEDULE)).perform()
    hover = _wait(driver, lambda: driver.find_elements(By.CSS_SELECTOR, "#front .hoverlayer .hovertext"))
    for text in ("input third", SCHEDULE, "mean ratio 0.400", "common sense", "gold: sandbox gold", "±"):
        assert text in hover[0].text
    _wait(driver, lambda: driver.find_element(By.ID, "shown").text == f"input third {SCHEDULE}")
    bars = [entry.text for entry in driver.find_elements(By.CSS_SELECTOR, "#ratios .bartext")]
    assert bars == ["0.60", "0.60", "0.40", "0.30", "0.40", "0.40"]
    labels = [entry.text for entry in driver.find_elements(By.CSS_SELECTOR, "#ratios .ytick text")]
    assert set(labels) == {"embeddings", "layers 0-1", "layers 2-3", "layers 4-5", "final norm", "lm_head"}


def test_a_click_keeps_the_ratios(driver: webdriver.Chrome) -> None:
    first = driver.find_element(By.ID, "shown").text
    place = _point_of(driver, "<br>0.5<br>")
    _move(driver, place).click().perform()
    _wait(driver, lambda: driver.find_element(By.ID, "shown").text == "plain averaging 0.5")
    _move(driver, (place[0] - 150, place[1] + 120)).perform()
    _wait(driver, lambda: not driver.find_elements(By.CSS_SELECTOR, "#front .hoverlayer .hovertext"))
    assert driver.find_element(By.ID, "shown").text == "plain averaging 0.5" != first


def test_another_axis_changes_the_plot(driver: webdriver.Chrome) -> None:
    select = Select(driver.find_element(By.ID, "axis"))
    labels = [option.text for option in select.options]
    assert labels[0] == "mean skill"
    assert {"common sense", "reading (squadv2 f1)", "arc_easy acc", "gold: sandbox gold"} < set(labels)
    title = "return document.querySelector('#front .ytitle').textContent"
    lines = "document.querySelectorAll('#front .scatterlayer .js-line')"
    paths = f"return [...{lines}].map((line) => line.getAttribute('d'))"
    before = driver.execute_script(paths)
    select.select_by_visible_text("gold: sandbox gold")
    _wait(driver, lambda: driver.execute_script(title) == "gold: sandbox gold")
    assert driver.execute_script(paths) != before
    script = "return document.getElementById('front').data.flatMap((trace) => [...trace.y])"
    assert max(value for value in driver.execute_script(script) if value is not None) < 2
    select.select_by_visible_text("mean skill")
    _wait(driver, lambda: driver.execute_script(title) == "mean skill")
    assert driver.execute_script(paths) == before


def test_a_click_on_a_head_sorts(driver: webdriver.Chrome) -> None:
    table = _table(driver, "Points")
    heads = table.find_elements(By.CSS_SELECTOR, "thead button")
    place = [head.text for head in heads].index("mean skill") + 1
    original = _columns(table, place)
    driver.execute_script("arguments[0].click()", heads[place - 1])
    known = [float(value) for value in _columns(table, place) if value]
    assert known == sorted(known) != [float(value) for value in original if value]
    # What is missing comes last, whichever way.
    assert _columns(table, place)[-1] == ""
    driver.execute_script("arguments[0].click()", heads[place - 1])
    known = [float(value) for value in _columns(table, place) if value]
    assert known == sorted(known, reverse=True)
    assert _columns(table, place)[-1] == ""
    driver.execute_script("arguments[0].click()", heads[0])
    curves = _columns(table, 1)
    assert curves == sorted(curves, key=str.lower)


def test_what_failed_is_marked_with_its_reason(driver: webdriver.Chrome) -> None:
    failed = _table(driver, "Points").find_elements(By.CSS_SELECTOR, "td.failed")
    assert failed[0].text == "failed"
    assert failed[0].get_attribute("title") == "piqa acc: out of <memory>"
    assert "piqa acc is missing (out of <memory>)." in driver.find_element(By.TAG_NAME, "body").text


def test_a_narrow_window_needs_no_scrolling_sideways(driver: webdriver.Chrome) -> None:
    size = {"width": 480, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    plots = "[...document.querySelectorAll('.main-svg')]"
    script = f"return Math.max(...{plots}.map((plot) => plot.getBoundingClientRect().right))"
    _wait(driver, lambda: driver.execute_script(script) <= 480)
    assert driver.execute_script("return document.documentElement.scrollWidth") <= 480
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_nothing_is_fetched_and_nothing_goes_wrong(driver: webdriver.Chrome, page: Path) -> None:
    # The last test: the logs hold all that happened before.
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    # The browser's own first page asks for things of its own.
    of_page = (m["params"] for m in messages if m["method"] == "Network.requestWillBeSent")
    sent = [m["request"]["url"] for m in of_page if m["documentURL"] == page.as_uri()]
    assert {url.split(":")[0] for url in sent} <= {"file", "data", "blob"}
    assert [url for url in sent if url.startswith("file")] == [page.as_uri()]
    assert [entry for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
