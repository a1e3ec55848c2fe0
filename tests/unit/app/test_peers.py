"""`bench --peers`: what it says when a peer cannot be had, and when it stops."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from app.cli.bench import bench
from engine.domain.errors import BadInput, WorkFailed
from engine.sim.generator import MarketGenerator
from tests.bench.peer_homes import HFTBACKTEST, Line, Peer, home_of, python_of
from tests.bench.peers import write_rows


def test_without_a_network_it_says_so_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A port on this machine that nobody listens on.
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    peer = Peer("hftbacktest", "0.0.0.1")
    with pytest.raises(WorkFailed) as failed:
        home_of(peer, tmp_path)
    words = str(failed.value)
    assert "cannot install hftbacktest 0.0.0.1" in words
    assert "is there a network?" in words
    assert "\n" not in words
    assert list(tmp_path.iterdir()) == []


def test_a_peer_that_stops_is_quoted(tmp_path: Path) -> None:
    """Its environment is there, but what it should import is not."""
    python = python_of(tmp_path / "home")
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    with pytest.raises(WorkFailed, match=r"stopped, its last words: .*hftbacktest"):
        Line(HFTBACKTEST, tmp_path / "home", tmp_path)


def test_rows_are_handed_over_whole(tmp_path: Path) -> None:
    generator = MarketGenerator(2)
    rows = generator.next_block()
    assert rows is not None
    write_rows(generator.instrument, rows, tmp_path)
    with np.load(tmp_path / "rows.npz") as given:
        assert len(given["exch"]) == len(rows)
        np.testing.assert_array_equal(given["ticks"], rows["price_ticks"])
        np.testing.assert_array_equal(given["kind"], rows["kind"])
    terms = json.loads((tmp_path / "terms.json").read_text())
    parts, units = terms["tick"]
    assert parts / units == float(generator.instrument.tick)


def test_work_that_no_peer_does_is_bad_input() -> None:
    with pytest.raises(BadInput, match="known are: replay, bars, sweep"):
        bench(name="commit", runs=1, capture=None, peers=True, json=False)


def test_a_recording_that_is_named_must_exist(tmp_path: Path) -> None:
    """Only where none is named, a generated market takes its place."""
    with pytest.raises(BadInput, match="no such recording"):
        bench(name="replay", runs=1, capture=tmp_path / "none.gz", peers=True, json=False)
