"""The page in a real browser: Chromium, without a window. Skipped where there is none."""

import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import cv2
import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.viz.browser import Browser, find
from tests.viz.reports import classification, outcome, report
from tinygrad_cnn import nn
from tinygrad_cnn.viz.report import render

pytestmark = pytest.mark.skipif(find() is None, reason="needs chromium")

NASTY = "<b>&'</title><img src=x onerror=alert(1)>"
STATE = "document.getElementById('state').className"
NEWS = "document.getElementById('news').textContent"
RUN_STATE = "document.getElementById('state').dataset.state"


@pytest.fixture(scope="module")
def browser():
    browser = Browser()
    yield browser
    browser.close()


def full(state="running", **more):
    """A report with every section, written just now."""
    now = datetime.now(timezone.utc)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 1))
    more.setdefault("started", now - timedelta(seconds=400))
    more.setdefault("written", now)
    more.setdefault("name", "a run whose name is as long as a person's patience for choosing names allows, or longer")
    return report(
        state,
        filters=np.random.default_rng(0).normal(size=(16, 3, 3, 3)),
        outcome=outcome(images={i: np.full((32, 32, 3), i, np.uint8) for i in range(136)}),
        classes=[
            classification(np.arange(100).reshape(10, 10), [f"{decade}0-{decade}9" for decade in range(10)]),
            classification([[2, 8], [40, 60]], ("male", "female"), "gender"),
        ],
        graph=_svg(network),
        config={
            "settings": {"data_dir": "/home/someone/" + "a" * 150, "odd": NASTY},
            "command_line": ["utkface_age.py"],
        },
        baseline=15.0,
        **more,
    )


def _svg(network):
    """What dot would draw, or something of its kind where there is no dot."""
    try:
        return tg.draw(network, tg.randn(2, 3, 8, 8)).pipe(format="svg").decode()
    except OSError:
        return '<svg width="2000pt" viewBox="0 0 2000 100"><g id="graph0"><text>linear</text></g></svg>'


@pytest.fixture
def shown(browser, tmp_path):
    """Opens a report."""

    def show(content, **options):
        path = tmp_path / "report.html"
        path.write_text(render(content), encoding="utf-8")
        browser.open(path, **options)
        return path

    return show


@pytest.mark.parametrize("state", ["running", "finished", "stopped"])
def test_it_loads_without_a_complaint_and_asks_the_network_for_nothing(browser, shown, state):
    path = shown(full(state))
    assert browser.problems == []
    assert browser.requests == [path.as_uri()]


def test_its_figures_are_those_of_the_metrics(browser, shown):
    content = full("finished")
    shown(content)
    data = "[...document.querySelectorAll('data')].map(d => [d.dataset.figure, [d.value, d.innerText]])"
    figures, metrics = dict(browser.ask(data)), content.outcome.metrics
    for key, text in (("mae_years", "5.59"), ("rmse_years", None), ("share_within_5_years", "81%")):
        assert float(figures[key][0]) == metrics[key]
        assert text is None or figures[key][1] == text
    assert float(figures["60-69"][0]) == metrics["mae_years_by_decade"]["60-69"]["mae_years"] == 12
    assert figures["60-69"][1] == "12.0"


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_it_fits_every_screen_light_and_dark(browser, shown, width, dark):
    shown(full(name="n" * 200), width=width, dark=dark)
    assert browser.ask("document.documentElement.scrollWidth") <= width
    red, green, blue = map(int, re.findall(r"\d+", browser.ask("getComputedStyle(document.body).backgroundColor")))
    assert (red + green + blue < 3 * 64) == dark


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_enough_contrast(browser, shown, dark):
    shown(full("stopped", reason="interrupted"), dark=dark)
    contrasts = browser.ask(CONTRASTS)
    assert len(contrasts) > 100
    assert [entry for entry in contrasts if entry[0] < 4.5] == []


def test_nothing_of_the_page_sticks_out_of_its_card(browser, shown):
    shown(full(), width=390)
    outside = """[...document.querySelectorAll('section > div *')]
        .filter(e => !e.closest('svg, .scroll, .graph, .strips') && e.getBoundingClientRect().right > 390)
        .map(e => e.outerHTML.slice(0, 80))"""
    assert browser.ask(outside) == []


@pytest.mark.parametrize("width", [390, 1280])
def test_a_long_graph_is_shown_to_its_end(browser, shown, width):
    tall = '<svg width="600" height="3000" viewBox="0 0 600 3000"><g id="graph0"><text>linear</text></g></svg>'
    shown(replace(full(), graph=tall), width=width)
    shown_height, height = browser.ask("(g => [g.clientHeight, g.scrollHeight])(document.querySelector('.graph'))")
    assert shown_height == height > 2000


def test_what_the_user_names_does_nothing(browser, shown):
    shown(full(name=NASTY))
    assert browser.problems == []
    assert browser.ask("document.querySelector('h1').textContent") == NASTY
    assert browser.ask("document.querySelectorAll('h1 *, img[src=x]').length") == 0


def test_the_keyboard_reaches_everything_and_opens_the_tables(browser, shown):
    shown(full())
    reached = []
    for _ in range(60):
        browser.press("Tab", 9)
        name = browser.ask("document.activeElement.id || document.activeElement.textContent.slice(0, 30)")
        if reached and name == reached[0]:
            break
        reached.append(name)
        if name == "history-summary":
            browser.press("Enter", 13)
    assert reached[0] == "Skip to the summary"
    assert {"pause", "history-summary", "spread-summary"} <= set(reached)
    assert reached.index("pause") < reached.index("Summary") < reached.index("history-summary")
    assert browser.ask("document.getElementById('history').open")


def test_the_skip_link_leads_to_the_summary(browser, shown):
    shown(full())
    browser.press("Tab", 9)
    browser.press("Enter", 13)
    assert browser.ask("document.activeElement.id") == "summary"


def test_pictures_are_all_there_and_have_names(browser, shown):
    shown(full())
    assert browser.ask("[...document.images].every(image => image.complete && image.naturalWidth > 0 && image.alt)")
    assert browser.ask("document.images.length") == 32
    assert browser.ask("[...document.querySelectorAll('svg')].every(s => s.ariaHidden === 'true' || s.ariaLabel)")


def test_a_running_page_loads_itself_again_when_news_is_due_and_keeps_the_readers_place(browser, shown):
    now = datetime.now(timezone.utc)
    path = shown(full(started=now - timedelta(seconds=2), written=now))  # half a second per epoch
    browser.ask("document.getElementById('history').open = true, scrollTo(0, 700)")
    browser.ask("document.getElementById('history-summary').focus({preventScroll: true})")
    path.write_text(render(full("finished")), encoding="utf-8")
    browser.wait_for_load()
    assert browser.ask(RUN_STATE) == "finished"
    assert browser.ask("document.getElementById('history').open")
    assert browser.ask("document.activeElement.id") == "history-summary"
    assert 600 < browser.ask("scrollY") < 800  # the button is gone, and what was above has moved
    assert browser.problems == []


def test_refreshing_can_be_paused(browser, shown):
    shown(full())
    assert browser.ask(NEWS).endswith("Refreshes itself after each epoch.")
    browser.ask("document.getElementById('pause').click()")
    assert "Refreshing is paused" in browser.ask(NEWS)
    assert browser.ask("document.getElementById('pause').getAttribute('aria-pressed')") == "true"


def test_a_paused_page_stays_paused_when_its_reader_loads_it_again(browser, shown):
    now = datetime.now(timezone.utc)
    path = shown(full(started=now - timedelta(seconds=2), written=now))  # half a second per epoch
    browser.ask("document.getElementById('pause').click()")
    browser.load(lambda: browser.call("Page.reload"))
    assert "Refreshing is paused" in browser.ask(NEWS)
    assert browser.ask("document.getElementById('pause').textContent") == "Resume refreshing"
    path.write_text(render(full("finished")), encoding="utf-8")
    browser.ask("new Promise(done => setTimeout(done, 3500))")  # it looks each second, and news is due after two
    assert browser.ask(RUN_STATE) == "running"
    browser.load(lambda: browser.ask("document.getElementById('pause').click()"))
    assert browser.ask(RUN_STATE) == "finished"


def test_a_page_that_nobody_sees_waits_until_it_is_seen(browser, shown):
    now = datetime.now(timezone.utc)
    path, said = shown(full(started=now - timedelta(seconds=2), written=now)), []
    browser.ask("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    path.write_text(render(full("finished")), encoding="utf-8")
    browser.ask("new Promise(done => setTimeout(done, 3500))")
    assert browser.ask(RUN_STATE) == "running"
    seen = "document.dispatchEvent(new Event('visibilitychange')), news.textContent"
    browser.load(lambda: said.append(browser.ask(f"delete document.hidden, news.textContent = '', {seen}")))
    assert said[0].startswith("Written at")  # it looks at once, not only when the clock next ticks
    assert browser.ask(RUN_STATE) == "finished"


def test_a_page_without_news_for_three_epochs_says_so_and_gives_up(browser, shown):
    now = datetime.now(timezone.utc)
    shown(full(started=now - timedelta(hours=3), written=now - timedelta(hours=2)))  # 15 minutes per epoch
    assert "2 h ago: the run was probably cut off" in browser.ask(NEWS)
    assert browser.ask(STATE) == "stale"
    assert browser.ask("document.getElementById('pause').hidden")


def test_a_page_that_is_late_by_less_is_still_waited_for(browser, shown):
    now = datetime.now(timezone.utc)
    shown(full(started=now - timedelta(hours=3), written=now - timedelta(minutes=50)))  # 32 minutes per epoch
    assert "Refreshes itself" in browser.ask(NEWS)


def test_without_scripts_the_page_is_whole(browser, shown):
    content = full("finished")
    shown(content, scripts=False)
    root = browser.call("DOM.getDocument", depth=0)["root"]["nodeId"]
    page = browser.call("DOM.getOuterHTML", nodeId=root)["outerHTML"]
    assert f'value="{content.outcome.metrics["mae_years"]!r}"' in page
    assert "What the figures mean" in page
    assert browser.problems == []


def test_without_scripts_a_running_page_refreshes_itself_too(browser, shown):
    now = datetime.now(timezone.utc)
    path = shown(full(started=now - timedelta(seconds=2), written=now), scripts=False)
    path.write_text(render(full("finished")), encoding="utf-8")
    browser.wait_for_load()
    page = browser.call("Page.getResourceContent", frameId=browser.frame(), url=path.as_uri())["content"]
    assert 'data-state="finished"' in page


@pytest.mark.parametrize(("dark", "colour"), [(False, "1f5fa8"), (True, "79b4f2")])
def test_the_curves_are_drawn_in_their_colours(browser, shown, tmp_path, dark, colour):
    shown(full(), dark=dark)
    browser.screenshot(tmp_path / "page.png")
    picture = cv2.imread(str(tmp_path / "page.png"))[:, :, ::-1]
    top, bottom, left, right = browser.ask(
        "(r => [r.top + scrollY, r.bottom + scrollY, r.left, r.right])"
        "(document.querySelector('#training .box').getBoundingClientRect())"
    )
    curve = np.all(picture[int(top) : int(bottom), int(left) : int(right)] == list(bytes.fromhex(colour)), axis=2)
    rows, columns = np.nonzero(curve)
    assert columns.max() - columns.min() > 100  # 4 epochs of 10
    assert rows[columns < np.median(columns)].mean() < rows[columns > np.median(columns)].mean()  # it falls


CONTRASTS = """
(() => {
  const channels = (text) => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const luminance = (rgb) => rgb.slice(0, 3).map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = channels(getComputedStyle(e).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll("body *")].filter((e) =>
    !e.closest("svg, script, .strips, .skip") && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()));
  return texts.map((e) => {
    const [a, b] = [luminance(channels(getComputedStyle(e).color)), luminance(behind(e))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.textContent.slice(0, 40), e.className];
  });
})()
"""
