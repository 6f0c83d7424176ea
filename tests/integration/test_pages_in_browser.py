"""The report and the leaderboards in a real browser: light, dark, narrow, by keyboard, for a screen reader."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mafs_bench.corruptions.suite import data_folder
from mafs_bench.leaderboard.site import build
from mafs_bench.report.html import script_data
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
    for name, skill in (("strong", 5.0), ("twin-a", 2.0), ("twin-b", 2.0), ("weak", 0.3)):
        submit_model(folder, board, name, model=name, skill=skill)
    define_board(folder / "boards", "coco-retrieval", dataset="coco", title="Retrieval on COCO")
    build(folder / "boards")
    return folder / "boards" / "site" / "scenes-retrieval.html"


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
    script = "[...document.querySelectorAll('#standing tbody tr:not([hidden])')].map((n) => n.dataset.model)"
    return browser.evaluate(script)


def test_the_table_is_the_csv_without_a_script(site: Path) -> None:
    """What stands in the page before any script runs."""
    text = site.read_text(encoding="utf-8")
    board = site.parents[1] / "scenes-retrieval" / "board.csv"
    rows = [row for row in csv.DictReader(board.open(encoding="utf-8")) if row["family"] == "all"]
    assert len(rows) == 4
    for row in rows:
        line = re.search(rf'<tr data-model="{row["model"]}".*?</tr>', text, flags=re.DOTALL)
        assert line is not None
        shown = [float(number) for number in re.findall(r">(\d\.\d{3})</td>", line[0])]
        assert shown == pytest.approx([float(row["corrupted"]), float(row["clean"])], abs=6e-4)
        lost = f"{abs(100 * float(row['mmi'])):.1f} %"
        assert lost in line[0] or "at floor" in line[0]
        assert re.search(rf'class="number rank">{row["rank"]}\b', line[0])


def test_board_sorts_by_keyboard(browser: Browser, site: Path) -> None:
    browser.open(site)
    ranked = _models(browser)
    assert ranked[0] == "strong"
    assert ranked[-1] == "weak"
    browser.evaluate("document.querySelector('#standing [data-sort=model]').focus()")
    browser.press("Enter")
    assert _models(browser) == sorted(ranked)
    assert browser.evaluate("document.activeElement.closest('th').getAttribute('aria-sort')") == "ascending"
    assert browser.evaluate("document.querySelector('#standing').classList.contains('sorted')") is True
    browser.press("Enter")
    assert _models(browser) == sorted(ranked, reverse=True)


def test_board_shows_ties_and_rank_intervals(browser: Browser, site: Path) -> None:
    browser.open(site)
    script = (
        "[...document.querySelectorAll('#standing tbody tr')].map((row) => "
        "[row.dataset.model, row.cells[0].innerText, row.classList.contains('group')])"
    )
    rows = {model: (rank, rule) for model, rank, rule in browser.evaluate(script)}
    assert rows["twin-a"][0] == "2 2–3"
    assert rows["twin-b"][0].startswith("2")
    assert rows["weak"][1] is True
    assert [rows[twin][1] for twin in ("twin-a", "twin-b")].count(True) == 1


def test_the_three_answers_follow_the_groups(browser: Browser, site: Path) -> None:
    browser.open(site)
    answers = browser.evaluate("[...document.querySelectorAll('.answers dd')].map((n) => n.textContent)")
    assert answers[0].startswith("strong keeps R@1 text-to-image")
    assert "costs strong most" in answers[1]
    assert answers[2].startswith("Yes. It is ahead of all 3 others")


def test_the_address_is_the_state(browser: Browser, site: Path) -> None:
    browser.open(site, fragment="#family=noise&sort=-clean&search=twin&cells=lost&models=weak")
    assert browser.evaluate("at('family').value") == "noise"
    assert browser.evaluate("[...at('corruption').options].map((o) => o.value)") == ["", "gaussian_noise"]
    assert sorted(_models(browser)) == ["twin-a", "twin-b"]
    assert browser.evaluate("table.classList.contains('show-lost')") is True
    assert browser.evaluate("state.models") == ["weak"]
    browser.evaluate(
        "(at('corruption').value = 'gaussian_noise', at('corruption').dispatchEvent(new Event('change')))"
    )
    assert "corruption=gaussian_noise" in browser.evaluate("location.hash")
    browser.evaluate(
        "new Promise((done) => { addEventListener('popstate', () => setTimeout(done, 50)); history.back(); })"
    )
    assert browser.evaluate("at('corruption').value") == ""
    browser.open(site, fragment=browser.evaluate("location.hash"))
    assert sorted(_models(browser)) == ["twin-a", "twin-b"]


def test_at_most_five_models_are_highlighted_with_direct_labels(browser: Browser, site: Path) -> None:
    browser.open(site, fragment="#models=strong&models=weak")
    drawn = "document.querySelectorAll('#main-chart {}').length"
    assert browser.evaluate(drawn.format(".curve")) == 2
    assert browser.evaluate(drawn.format(".other")) == 2
    assert browser.evaluate(drawn.format("text.name")) == 2
    assert browser.evaluate("document.querySelectorAll('#multiples figure').length") >= 2


def test_a_model_has_a_page_with_record_and_command(browser: Browser, site: Path) -> None:
    browser.open(site.parent / "model-strong.html")
    text = browser.evaluate("document.querySelector('main').innerText")
    assert "mafs-bench run --model strong" in text
    link = browser.evaluate("document.querySelector('main a[href^=\"../\"]').getAttribute('href')")
    assert (site.parent / link / "scores.parquet").is_file()


def test_a_board_that_is_not_open_says_what_to_do(browser: Browser, site: Path) -> None:
    browser.open(site.parent / "coco-retrieval.html")
    text = browser.evaluate("document.querySelector('main').innerText")
    assert "mafs-bench leaderboard open coco-retrieval --data-root DIR" in text
    assert "mafs-bench submit RUN --board coco-retrieval" in text
    assert browser.evaluate("document.querySelector('#standing')") is None


@pytest.mark.parametrize("width", [390, 640, 768, 1280])
def test_a_long_name_makes_no_page_scroll_sideways(browser: Browser, site: Path, width: int) -> None:
    long = site.with_name("long.html")
    text = site.read_text(encoding="utf-8")
    long.write_text(text.replace("twin-a", "a-model-with-a-very-long-name-" * 4), encoding="utf-8")
    for page in (long, site.with_name("index.html"), site.with_name("model-strong.html")):
        browser.open(page, width=width)
        assert browser.evaluate("document.documentElement.scrollWidth") <= width, page.name


def test_fourteen_rows_fit_into_a_laptops_window(browser: Browser) -> None:
    """On the boards of the project: at 1280 x 900 without scrolling."""
    root = data_folder("leaderboards") / "site"
    browser.open(root / "scenes-fused-retrieval.html")
    script = (
        "[...document.querySelectorAll('#standing tbody tr')]"
        ".filter((row) => row.getBoundingClientRect().bottom <= innerHeight).length"
    )
    assert browser.evaluate(script) >= 14
    scrolls = "[...document.querySelectorAll('main *')].filter((n) => getComputedStyle(n).overflowY === 'auto').length"
    assert browser.evaluate(scrolls) == 0


def test_large_boards_stay_small_and_quick(browser: Browser, site: Path) -> None:
    """200 models x 100 corruptions x 5 severities: under 3 MB, under 100 ms per click."""
    entry = {
        "status": "verified",
        "clean": [0.912, 0.881, 0.943],
        "curves": {f"corruption_{k}": [[0.512, 0.481, 0.543]] * 5 for k in range(100)},
        "families": {name: [[0.512, 0.481, 0.543]] * 5 for name in ("all", "noise", "blur")},
    }
    data = {
        "board": "large", "title": "Large", "metric": "R@1", "severities": [1, 2, 3, 4, 5],
        "families": {"all": list(entry["curves"]), "noise": ["corruption_1"], "blur": ["corruption_2"]},
        "modalities": {}, "entries": [{"name": f"model-{k}", **entry} for k in range(200)],
    }  # fmt: skip
    text = site.read_text(encoding="utf-8")
    row = re.search(r"<tr data-model=.*?</tr>", text, flags=re.DOTALL)
    assert row is not None
    rows = "".join(
        re.sub(r'data-model="[^"]*"', f'data-model="model-{k}"', row[0]).replace(
            'data-rank="0"', f'data-rank="{k}"'
        )
        for k in range(200)
    )
    large = re.sub(r"<tbody>.*?</tbody>", lambda _: f"<tbody>{rows}</tbody>", text, count=1, flags=re.DOTALL)
    large = re.sub(r"const BOARD = .*?;\n", lambda _: f"const BOARD = {script_data(data)};\n", large, count=1)
    page = site.with_name("large.html")
    page.write_text(large, encoding="utf-8")
    assert page.stat().st_size < 3e6
    browser.open(page)
    click = (
        "((key) => { const start = performance.now(); document.querySelector(`[data-sort=${key}]`).click();"
        " document.body.offsetHeight; return performance.now() - start; })"
    )
    times = [browser.evaluate(f"{click}('{key}')") for key in ("clean", "model", "lost") * 3]
    assert min(times) < 100, times  # the least disturbed one: other tests run beside it


@pytest.mark.parametrize("name", ["site", "report"])
def test_controls_have_names(name: str, browser: Browser, request: pytest.FixtureRequest) -> None:
    browser.open(request.getfixturevalue(name))
    for role in ("combobox", "checkbox", "button", "slider", "link", "image", "region"):
        names = browser.accessible_names(role)
        assert all(names), (role, names)
    assert browser.evaluate("document.documentElement.lang") == "en"
