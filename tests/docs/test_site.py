"""The site as a reader gets it: every page can be reached, every link leads somewhere, nothing comes from elsewhere."""

from __future__ import annotations

import contextlib
import functools
import re
import threading
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.viz.browser import Browser, find

ROOT = Path(__file__).resolve().parents[2]
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href", "object": "data"}


class Page(HTMLParser):
    """The links, the places that links can name, and what is fetched for one page."""

    def __init__(self, path):
        super().__init__()
        self.path, self.links, self.places, self.fetched = path, [], {""}, []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.places |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag == "link" and found.get("rel") in ("canonical", "next", "prev"):  # for search engines and readers
            return
        if found.get(FETCHED.get(tag)):
            self.fetched.append(found[FETCHED[tag]])


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


@pytest.fixture(scope="module")
def browser():
    if find() is None:
        pytest.skip("needs chromium")
    browser = Browser()
    yield browser
    browser.close()


@contextlib.contextmanager
def served(folder):
    """The address of a plain web server of these files."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=folder)
    handler.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_the_navigation_names_every_page_once():
    yaml = pytest.importorskip("yaml")

    def named(entry):
        if isinstance(entry, str):
            return [entry]
        return [name for part in (entry.values() if isinstance(entry, dict) else entry) for name in named(part)]

    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    written = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")]
    assert sorted(named(config["nav"])) == sorted(written)


def test_every_link_leads_to_a_page_and_a_place_that_are_there(pages):
    lost = []
    for path, page in pages.items():
        for link in page.links:
            to = urlsplit(link)
            if to.scheme in ("http", "https") or path.name == "404.html":  # that one is for a server's root
                continue
            target = (path.parent / unquote(to.path)).resolve() if to.path else path
            if target not in pages or unquote(to.fragment) not in pages[target].places:
                lost.append(f"{path.name}: {link}")
    assert not lost


def test_nothing_on_a_page_comes_from_elsewhere(site, pages):
    for path, page in pages.items():
        assert not [place for place in page.fetched if urlsplit(place).netloc], path.name
    for sheet in site.rglob("*.css"):
        places = re.findall(r"url\(\s*['\"]?([^)'\"]+)|@import\s+['\"]([^'\"]+)", sheet.read_text(encoding="utf-8"))
        assert not [place for pair in places for place in pair if urlsplit(place).netloc], sheet.name


def test_a_browser_asks_for_the_sites_own_files_alone(site, pages, browser):
    for path in pages:
        if path.name != "404.html":
            browser.open(path)
            assert browser.requests, path.name
            assert all(request.startswith((site.as_uri(), "blob:")) for request in browser.requests), path.name
            assert browser.problems == [], path.name


def test_a_page_is_light_or_dark_as_the_system_is_now(site, browser):
    for dark, scheme in ((False, "default"), (True, "slate"), (False, "default")):
        browser.open(site / "index.html", dark=dark)
        assert browser.ask("document.body.dataset.mdColorScheme") == scheme


SEARCH = """new Promise((resolve, reject) => {
    const deadline = Date.now() + 20000;
    const open = document.querySelector("[data-md-toggle=search]"), field = document.querySelector(".md-search__input");
    open.checked = true;
    open.dispatchEvent(new Event("change"));
    field.focus();
    field.value = "vjp";
    field.dispatchEvent(new KeyboardEvent("keyup", {bubbles: true}));
    (function look() {
        const found = [...document.querySelectorAll(".md-search-result__link")].map((link) => link.href);
        if (found.length) resolve(found);
        else if (Date.now() > deadline) reject("nothing found");
        else setTimeout(look, 50);
    })();
})"""


@pytest.mark.parametrize("opened_as", ["a file", "a page of a server"])
def test_the_search_works(site, browser, opened_as):
    browser.open(site / "index.html")
    with served(site) as address:
        if opened_as == "a page of a server":
            browser.load(lambda: browser.call("Page.navigate", url=address))
        assert any("tutorial/autograd.html" in link for link in browser.ask(SEARCH))
