"""One strategy under kinder and harsher assumptions, on a recording: what each of them moves."""

from __future__ import annotations

from app.backtests import BacktestRequest, run_backtest
from app.scenarios import bound_of, scenario_of
from engine.research.document import decode_document
from engine.research.words import realism
from tests.support.shared import capture, needs_shared

pytestmark = needs_shared


def request(*models: str, named: str = "plain") -> BacktestRequest:
    data = capture("usdm_btcusdt_20240808")
    return BacktestRequest("grid", {}, data, scenario_of(named, models))


def test_the_realism_line_is_of_the_same_run() -> None:
    asked = request("fee_asset=BNB@550:0.25")
    done = run_backtest(asked._replace(with_bounds=True))
    lines = done.document["realism"]
    assert list(lines) == ["run", "optimistic", "pessimistic"]
    alone = run_backtest(asked).document
    assert {**done.document, "realism": None} == {**alone, "realism": None}
    for name in ("optimistic", "pessimistic"):
        bound = run_backtest(asked._replace(scenario=bound_of(name, asked.scenario))).document
        assert lines[name]["equity"] == bound["equity"]
        assert lines[name]["fills"] == bound["fills"]
        assert "fees in BNB" in lines[name]["scenario"]
    kind, harsh = lines["optimistic"], lines["pessimistic"]
    assert kind["fill_probability_pct"] > harsh["fill_probability_pct"]
    assert decode_document(done.kept.document)["realism"] == lines
    assert [line.partition(":")[0] for line in realism(done.document)] == [
        "this run",
        "optimistic",
        "pessimistic",
    ]
    assert realism(alone) == []


def test_a_stricter_queue_fills_less_and_every_fill_says_why() -> None:
    """With the same decisions half a second apart, what stands ahead decides."""
    chances = {}
    for queue in ("trades-only", "risk-averse", "power-prob-3"):
        done = run_backtest(request(f"queue={queue}"))
        chances[queue] = done.document["fills_quality"]["fill_probability_pct"]
        for fill in done.kept.fills:
            if not fill.maker:
                continue
            assert fill.queue_left is not None
            assert fill.level_volume is not None
            assert fill.latency_ms == 10.0
            assert 0 <= fill.queue_left <= fill.queue_ahead
            # Either the line has come to it, or the price went through what was left of it.
            if queue == "trades-only" and fill.queue_left == 0:
                assert fill.level_volume >= fill.queue_ahead
    assert chances["trades-only"] <= chances["risk-averse"] <= chances["power-prob-3"]


def test_chance_comes_of_the_seed() -> None:
    def bytes_of(seed: int) -> bytes:
        return run_backtest(request(f"seed={seed}", named="pessimistic")).kept.document

    assert bytes_of(1) == bytes_of(1) != bytes_of(2)
