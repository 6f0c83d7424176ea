"""The report and the leaderboards in a real browser: light, dark, narrow, by keyboard, for a screen reader."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mafs_bench.leaderboard.site import build
from mafs_bench.report.page import write_report
from tests.support.browser import CHROMIUM, Browser
from tests.support.fake_board import define_board, open_board, submit_model
from tests.support.fake_run import write_run

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome on this machine")

WINDOWS = [(1280, False), (1280, True), (390, False), (390, True)]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    board = open_board(folder / "boards")
    for name, skill in (("strong", 2.6), ("twin-a", 2.0), ("twin-b", 2.0), ("weak", 0.3)):
        submit_model(folder, board, name, model=name, skill=skill)
    define_board(folder / "boards", "coco-retrieval", dataset="coco", title="Retrieval on COCO")
    build(folder / "boards")
    return folder / "boards" / "site" / "index.html"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    runs = [
        write_run(folder / model, model=model, skill=skill, tasks=("retrieval", "fused-retrieval"))
        for model, skill in (("clip", 2.0), ("mafs-clip", 2.5))
    ]
    return write_report(runs, folder / "made", figures=())[0]


@pytest.mark.parametrize(("width", "dark"), WINDOWS)
@pytest.mark.parametrize("name", ["site", "report"])
def test_page_fits_and_asks_for_nothing(
    name: str, width: int, dark: bool, browser: Browser, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    browser.open(request.getfixturevalue(name), width=width, dark=dark)
    assert browser.problems() == []
    assert browser.requests() == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    browser.screenshot(tmp_path / "page.png")
    pixels = np.asarray(Image.open(tmp_path / "page.png").convert("L"))
    assert (np.median(pixels) < 60) == dark
    assert pixels.std() > 10


CONTRAST = """(() => {
  const parse = (c) => {
    const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const shares = [0.2126, 0.7152, 0.0722];
  const light = (colour) => shares.reduce((sum, share, i) => sum + share * linear(colour[i] / 255), 0);
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("p, td, th, label, li, summary, a, h1, h2, option, dd, code, pre, span")]
    .filter((node) => node.offsetParent && node.textContent.trim() && !node.closest("td.heat"))
    .map((node) => {
      const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.outerHTML.slice(0, 80)];
    })
    .filter(([ratio]) => ratio < 4.5);
})()"""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["site", "report"])
def test_text_has_contrast(name: str, dark: bool, browser: Browser, request: pytest.FixtureRequest) -> None:
    """WCAG 2.2 AA: 4.5 to 1."""
    browser.open(request.getfixturevalue(name), dark=dark)
    assert browser.evaluate(CONTRAST) == []


def test_curve_is_read_by_keyboard_and_screen_reader(browser: Browser, report: Path) -> None:
    browser.open(report)
    browser.evaluate("document.querySelector('#by-corruption .plot').focus()")
    browser.press("Home")
    clean = browser.evaluate("document.activeElement.getAttribute('aria-valuetext')")
    browser.press("ArrowRight")
    first = browser.evaluate("document.activeElement.getAttribute('aria-valuetext')")
    assert clean.startswith("Clean: ")
    assert first.startswith("Severity 1: ")
    assert "gaussian noise 0." in first
    assert any("retrieval: severity" in name for name in browser.accessible_names("slider"))


def test_report_changes_with_its_controls(browser: Browser, report: Path) -> None:
    browser.open(report)
    assert browser.evaluate("document.querySelector('#fusion-section').hidden") is True
    browser.evaluate(
        "(at('task-choice').value = 'fused-retrieval', at('task-choice').dispatchEvent(new Event('change')))"
    )
    assert browser.evaluate("document.querySelector('#fusion-section').hidden") is False
    assert browser.evaluate("document.querySelectorAll('#fusion-charts svg .curve').length") == 4
    assert browser.evaluate("at('metric-choice').value") == "r1"
    assert browser.evaluate("document.querySelectorAll('#by-run .curve').length") == 2
    assert browser.evaluate("document.querySelectorAll('#heat-map tbody td.heat').length") == 2 * 4


def _models(browser: Browser) -> list[str]:
    return browser.evaluate("[...document.querySelectorAll('#standing tbody th')].map((n) => n.textContent)")


def test_board_sorts_by_keyboard(browser: Browser, site: Path) -> None:
    browser.open(site)
    ranked = _models(browser)
    assert ranked[0] == "strong"
    assert ranked[-1] == "weak"
    script = (
        "[...document.querySelectorAll('#standing th button')].find((n) => n.textContent === 'model').focus()"
    )
    browser.evaluate(script)
    browser.press("Enter")
    assert _models(browser) == sorted(ranked)
    assert browser.evaluate("document.activeElement.parentElement.getAttribute('aria-sort')") == "ascending"
    browser.press("Enter")
    assert _models(browser) == sorted(ranked, reverse=True)


def test_board_shows_ties_and_rank_intervals(browser: Browser, site: Path) -> None:
    browser.open(site)
    first_three = "(row) => [...row.children].slice(0, 3).map((cell) => cell.innerText)"
    script = f"[...document.querySelectorAll('#standing tbody tr')].map({first_three})"
    rows = {row[2]: row for row in browser.evaluate(script)}
    assert rows["twin-a"][1] == rows["twin-b"][1] == "2"
    assert "[2 – 3]" in rows["twin-a"][0]


def test_board_filters_by_family_and_keeps_it_in_the_address(browser: Browser, site: Path) -> None:
    browser.open(site, fragment="#scenes-retrieval/noise")
    assert browser.evaluate("at('family-choice').value") == "noise"
    assert browser.evaluate("[...at('corruption-choice').options].map((o) => o.value)") == [
        "",
        "gaussian_noise",
    ]
    browser.evaluate(
        "(at('family-choice').value = 'text-char', at('family-choice').dispatchEvent(new Event('change')))"
    )
    assert browser.evaluate("location.hash") == "#scenes-retrieval/text-char"


def test_row_leads_to_record_and_command(browser: Browser, site: Path) -> None:
    browser.open(site, fragment="#scenes-retrieval/all")
    browser.evaluate("document.querySelector('#standing tbody a').click()")
    browser.evaluate("new Promise((done) => setTimeout(done, 100))")
    assert browser.evaluate("document.querySelector('#record-strong').open") is True
    text = browser.evaluate("document.querySelector('#record-strong').innerText")
    assert "mafs-bench run --model strong" in text
    link = browser.evaluate("document.querySelector('#record-strong a[href^=\"../\"]').getAttribute('href')")
    assert (site.parent / link / "scores.parquet").is_file()


def test_open_board_says_how_to_submit(browser: Browser, site: Path) -> None:
    browser.open(site, fragment="#coco-retrieval/all")
    assert "No submission yet" in browser.evaluate("document.querySelector('#standing').innerText")
    assert "mafs-bench submit RUN --board coco-retrieval" in browser.evaluate("at('how').textContent")


@pytest.mark.parametrize("name", ["site", "report"])
def test_controls_have_names(name: str, browser: Browser, request: pytest.FixtureRequest) -> None:
    browser.open(request.getfixturevalue(name))
    for role in ("combobox", "checkbox", "button", "slider", "link", "image", "region"):
        names = browser.accessible_names(role)
        assert all(names), (role, names)
    assert browser.evaluate("document.documentElement.lang") == "en"
