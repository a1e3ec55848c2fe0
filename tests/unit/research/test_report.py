"""The HTML report: needs no network, lets no foreign text act, and draws itself in a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.backtests import BacktestRequest, run_backtest
from engine.research import report as reports
from engine.research.document import decode_document, encode_document
from engine.research.report import render
from engine.sim.scenario import Scenario
from engine.store.results import StoredRun
from tests.support.bar_walks import hours, walk, write_csv

NASTY = "</script><img src=x onerror=alert(1)>\x1b[2J\u202e&"
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
VOID = {"meta", "br", "img", "link", "input", "hr"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> StoredRun:
    folder = tmp_path_factory.mktemp("bars")
    bars = write_csv(folder / "BTCUSDT_PERP.csv", hours(walk(8, 1700, step_ticks=800)))
    params = {"qty": "1", "fast": "3", "slow": "9"}
    return run_backtest(BacktestRequest("trend", params, [bars], Scenario())).kept


def altered(run: StoredRun, **fields: Any) -> StoredRun:
    document = {**decode_document(run.document), **fields}
    return msgspec.structs.replace(run, document=encode_document(document))


class Page(HTMLParser):
    """Checks that every element is closed, and collects what could act or load."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.texts: dict[str, str] = {}
        self.policy = ""
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append(tag)
        self.loads += [name for name in values if name in ("src", "href") or name.startswith("on")]
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"] or ""
        if tag not in VOID:
            self.open.append(tag)
        self._inside = values.get("id") or tag

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        self._inside = ""

    def handle_data(self, data: str) -> None:
        self.texts[self._inside] = self.texts.get(self._inside, "") + data


def test_it_is_one_whole_page_that_loads_nothing(run: StoredRun) -> None:
    text = render(run)
    page = Page(text)
    assert page.open == []
    assert page.loads == []
    assert not re.search(r"https?:|//[a-z]|@import|url\(", text)
    assert page.policy.startswith("default-src 'none';")
    assert "unsafe" not in page.policy


def test_the_policy_names_the_script_and_the_style(run: StoredRun) -> None:
    page = Page(render(run))
    for element, source in (("script", "script-src"), ("style", "style-src")):
        digest = base64.b64encode(hashlib.sha256(page.texts[element].encode()).digest()).decode()
        assert f"{source} 'sha256-{digest}'" in page.policy


def test_the_same_run_gives_the_same_bytes(run: StoredRun) -> None:
    assert render(run) == render(run)


def test_the_figures_are_those_of_the_document(run: StoredRun) -> None:
    text, document = render(run), decode_document(run.document)
    assert f"{document['equity']:,f} USDT" in text
    assert "buy and hold" in text
    assert "path within a bar: worst-first" in text
    data = json.loads(Page(text).texts["data"])
    assert data["profit"][-1] == float(document["equity"])
    assert len(data["fills"]["t"]) == document["fills"]
    assert data["t"] == sorted(data["t"])
    assert data["histogram"]["counts"] == document["histogram"]["counts"]


def test_foreign_text_stays_text(run: StoredRun) -> None:
    nasty = altered(
        run,
        strategy=NASTY,
        instrument=NASTY,
        settle=NASTY,
        scenario=NASTY,
        params={f"{number}{NASTY}": NASTY for number in range(4)},
        assumptions=[NASTY],
    )
    text = render(nasty)
    page = Page(text)
    assert page.tags == Page(render(run)).tags
    assert page.loads == []
    assert "<img" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert json.loads(page.texts["data"])["settle"].startswith("</script>")


def test_more_fills_than_a_browser_likes_are_thinned_and_it_says_so(
    run: StoredRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "FILLS_MAX", 50)
    text = render(run)
    shown = len(json.loads(Page(text).texts["data"])["fills"]["t"])
    every = -(-len(run.fills) // 50)
    assert 0 < shown <= 50
    assert f"{len(run.fills):,} in all; every {every}th is charted" in text


def test_a_run_without_a_fill_and_one_of_the_first_days(run: StoredRun) -> None:
    document = decode_document(run.document)
    for name in ("histogram", "months"):
        del document[name]
    bare = StoredRun(document=encode_document(document), fills=[], equity=run.equity[:1])
    page = Page(render(bare))
    assert page.open == []
    assert json.loads(page.texts["data"])["fills"]["t"] == []


@pytest.mark.skipif(BROWSER is None, reason="there is no chromium here")
@pytest.mark.parametrize("bare", [False, True])
def test_a_browser_draws_it(run: StoredRun, tmp_path: Path, bare: bool) -> None:
    """The script marks the page when all charts are drawn; a mistake in it, or a policy that
    does not let it run, would leave no mark."""
    assert BROWSER is not None
    if bare:
        run = msgspec.structs.replace(run, fills=[], equity=run.equity[:1])
    path = tmp_path / "report.html"
    path.write_text(render(run), "utf-8")
    words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'u'}"]
    done = subprocess.run(
        [BROWSER, *words, "--virtual-time-budget=4000", "--dump-dom", path.as_uri()],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert 'data-drawn="5"' in done.stdout
    rows = re.search(r'<tbody id="fill-rows">(.*?)</tbody>', done.stdout, re.DOTALL)
    assert rows is not None
    assert rows[1].count("<tr>") == min(25, len(run.fills))
