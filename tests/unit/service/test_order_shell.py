"""Order types from a shell, on a real engine that is killed on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.service import EngineProcess, eventually, shell

pytestmark = pytest.mark.timeout(180)


def told(home: Path, *words: str) -> Any:
    done = shell(home, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def touch(home: Path) -> float:
    """A price near the market: one of the maker's bids."""
    bids = [row["price"] for row in told(home, "orders") if row["side"] == "buy" and row["price"]]
    return round(max(float(price) for price in bids))


def legs(home: Path, algo_id: str) -> dict[str, str]:
    """Where each leg of an algo is."""
    for row in told(home, "algos"):
        if row["algo_id"] == algo_id:
            return {leg["leg"]: leg["where"] for leg in row["legs"]}
    return {}


def legs_left(home: Path) -> list[str]:
    return [row["algo_id"] for row in told(home, "algos") if row["algo_id"] not in ("a1", "a2")]


def test_a_bracket_lives_through_a_kill_and_tells_its_story(own_home: Path) -> None:
    with EngineProcess(own_home) as engine:
        eventually(lambda: shell(own_home, "status").returncode == 0, 60)
        eventually(lambda: told(own_home, "orders"))
        mid = touch(own_home)
        bracket = ["order", "buy", "0.01", "bracket", f"stop={mid - 900}", f"target={mid + 900}"]
        done = shell(own_home, *bracket)
        assert (done.returncode, done.stdout[:16]) == (0, "bracket buy 0.01")
        eventually(lambda: legs(own_home, "a1") == {"stop": "venue", "target": "venue"})
        done = shell(own_home, "order", "buy", "0.01", "touch", "--price", str(mid - 1500))
        assert done.returncode == 0, done.stderr
        assert legs(own_home, "a2") == {"order": "engine"}
        engine.kill()
    with EngineProcess(own_home):
        assert legs(own_home, "a1") == {"stop": "venue", "target": "venue"}
        assert legs(own_home, "a2") == {"order": "engine"}
        table = shell(own_home, "orders").stdout
        assert "bracket buy 0.01" in table
        assert "UNGUARDED" not in table
        story = [
            ("cancel a1", 1, "cancel it with its protective legs, or flatten"),
            (f"amend a1 stop={mid - 700}", 0, f"stop {mid - 700}"),
            (f"amend a1 stop={mid + 700}", 1, "stop: must be below the market"),
            ("amend a1", 2, "say what shall change"),
            ("amend a9 stop=5", 2, "no such algo works"),
            ("amend a1 show=5", 2, "this type takes stop=P"),
            ("order buy 0.01 bracket", 2, "this type needs stop=P"),
            ("order buy 0.01 twap parts=20 every=1s", 1, "min_qty: must be 0.001 for every part"),
            ("order buy 0.01 gtd for=soon --price 5", 2, "for: soon"),
            ("order buy 0.01 limit --price 60000.05", 2, "multiple of the tick"),
            ("order buy 0.01 limit --price 60000 --symbol ETH", 2, "--symbol: ETH"),
            (f"order buy 0.01 gtd for=30m --price {mid - 1500}", 0, "good-till"),
            ("order buy 0.02 pov share=5% every=5s for=1h", 0, "POV"),
            ("cancel nothing", 1, "order nothing is not working"),
            ("cancel a2", 0, "cancelling a2"),
            ("why a2", 0, "canceled: cancelled by shell"),
            ("cancel a1 --protective", 0, "cancelling a1"),
            ("why a1", 0, "a person started bracket buy 0.01"),
        ]
        for words, code, said in story:
            done = shell(own_home, *words.split())
            assert done.returncode == code, (words, done.stdout, done.stderr)
            assert said in (done.stdout if code == 0 else done.stderr), (words, done)
            assert done.stderr.count("\n") == (code != 0), done.stderr
        for algo_id in legs_left(own_home):
            shell(own_home, "cancel", algo_id)  # One may have ended by itself meanwhile.
        eventually(lambda: told(own_home, "algos") == [])


def test_an_alert_is_acknowledged_through_the_service(own_home: Path) -> None:
    """Its time is a number beyond those that sizes and prices are held to."""
    with EngineProcess(own_home):
        eventually(lambda: shell(own_home, "status").returncode == 0, 60)
        assert shell(own_home, "kill").returncode == 0
        done = shell(own_home, "act", "alert_ack")
        assert (done.returncode, done.stderr) == (0, "")
        assert "no alert waits" in shell(own_home, "act", "alert_ack").stderr
