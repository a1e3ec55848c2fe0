"""Scenarios in words: names, files, single models and options, and what wins over what."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from pyarrow import parquet

from app.scenarios import BOUNDS, MODELS, NAMED, bound_of, paper_scenario, scenario_of
from app.settings import PaperSettings
from engine.domain.errors import BadInput
from engine.sim.fees import FeePlan, Tier
from engine.sim.funding import HOUR_NS, FundingPlan, RecordedRate
from engine.sim.impact import Impact
from engine.sim.latency import VENUE_LATENCY, OfVenue, RoundTrips, Spread
from engine.sim.margin import MarginTier
from engine.sim.scenario import Scenario

MS = 1_000_000


def test_plain_is_the_default_and_says_no_more_than_it_assumes() -> None:
    assert scenario_of() == Scenario()
    assert Scenario().digest() == (
        "entry 10000000 ns, response 10000000 ns, feed +0 ns, queue risk-averse, fills partial, "
        "maker 0.0002, taker 0.0005"
    )
    assert Scenario().is_simple


@pytest.mark.parametrize("name", NAMED)
def test_named_scenarios_differ_and_survive_the_way_to_a_worker(name: str) -> None:
    scenario = scenario_of(name)
    assert msgspec.json.decode(msgspec.json.encode(scenario), type=Scenario) == scenario
    assert [other for other in NAMED if scenario_of(other) == scenario] == [name]
    assert len({scenario_of(other).digest() for other in NAMED}) == len(NAMED)


def test_single_models_win_over_names_and_options_over_models() -> None:
    scenario = scenario_of("realistic", ["queue=log-prob-1", "seed=7"], {"queue": "", "maker": "0"})
    assert scenario.queue.words() == "log-prob-1"
    assert (scenario.seed, scenario.maker) == (7, 0)
    assert scenario.latency == OfVenue()
    assert scenario_of(models=["queue=trades-only"], options={"queue": "risk-averse"}) == Scenario()


def test_latencies() -> None:
    both = scenario_of(options={"latency": "2.5"})
    assert (both.entry_latency_ns, both.response_latency_ns, both.latency) == (
        2_500_000,
        2_500_000,
        None,
    )
    assert scenario_of(models=["latency=50-80"]).latency == Spread(low_ns=50 * MS, high_ns=80 * MS)
    assert scenario_of(models=["latency=coinbase"]).latency == VENUE_LATENCY["coinbase"]


def test_round_trips_from_csv_and_parquet(tmp_path: Path) -> None:
    csv, table = tmp_path / "trips.csv", tmp_path / "trips.parquet"
    csv.write_text("resp_ns,ts_ns,req_ns\n3,100,1\n4,200,2\n")
    parquet.write_table(pa.table({"ts_ns": [100, 200], "req_ns": [1, 2], "resp_ns": [3, 4]}), table)
    trips = RoundTrips(ts_ns=(100, 200), req_ns=(1, 2), resp_ns=(3, 4))
    for file in (csv, table):
        assert scenario_of(models=[f"latency={file}"]).latency == trips


def test_fee_plans() -> None:
    models = ["fee_tiers=0:0.0002/0.0005,1000:0/0.0004", "volume_30d=5", "fee_asset=BNB@600:0.25"]
    assert scenario_of(models=models).fees == FeePlan(
        tiers=(
            Tier(Decimal(0), Decimal("0.0002"), Decimal("0.0005")),
            Tier(Decimal(1000), Decimal(0), Decimal("0.0004")),
        ),
        volume_30d=Decimal(5),
        asset="BNB",
        asset_price=Decimal(600),
        discount=Decimal("0.25"),
    )
    assert scenario_of(models=["fee_tiers=none", "fee_asset=settle"]).fees is None


def test_funding_from_a_table(tmp_path: Path) -> None:
    file = tmp_path / "rates.csv"
    file.write_text("timestamp_ms,funding_rate\n1000,0.0001\n2000,-0.00025\n")
    plan = scenario_of(models=[f"funding={file}", "funding_hours=4"]).funding
    assert plan == FundingPlan(
        interval_ns=4 * HOUR_NS,
        recorded=(
            RecordedRate(1000 * MS, Decimal("0.0001")),
            RecordedRate(2000 * MS, Decimal("-0.00025")),
        ),
    )
    file.write_text("ts_ns,rate,mark\n5,0.0001,60000.5\n")
    plan = scenario_of(models=[f"funding={file}"]).funding
    assert plan is not None
    assert plan.recorded == (RecordedRate(5, Decimal("0.0001"), Decimal("60000.5")),)
    file.write_text("ts_ns,rate\n5,0.0001\n5,0.0001\n")
    with pytest.raises(BadInput, match="must ascend"):
        scenario_of(models=[f"funding={file}"])


def test_margin_tiers_and_impact() -> None:
    models = ["leverage=20", "maintenance=0:0.004,50000:0.005", "liquidation_fee=0.01"]
    margin = scenario_of(models=models).margin
    assert margin is not None
    assert margin.tiers[1] == MarginTier(Decimal(50_000), Decimal("0.005"), Decimal(50))
    assert margin.liquidation_fee == Decimal("0.01")
    for bad in ("5:0.1", "0:0.1,0:0.2", "0:0.2,5:0.1", "1"):
        with pytest.raises(BadInput, match="RATE below 1"):
            scenario_of(models=["leverage=20", f"maintenance={bad}"])
    impact = scenario_of(models=["recovery=250", "beyond=0.7:0.03:250000"]).impact
    assert impact == Impact(
        half_life_ns=250 * MS,
        beyond=Decimal("0.7"),
        volatility=Decimal("0.03"),
        volume=Decimal(250_000),
    )


def test_a_scenario_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('latency = "binance"\nrejects = 0.01\nseed = 3\n')
    scenario = scenario_of(str(file))
    assert scenario.latency == VENUE_LATENCY["binance"]
    assert scenario.refusals.reject_rate == Decimal("0.01")
    file.write_text("latency = true\n")
    with pytest.raises(BadInput, match="latency: True: write a number"):
        scenario_of(str(file))


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("speed=1", "known are: latency,"),
        ("latency", "expected key=value"),
        ("latency=", "expected key=value"),
        ("latency=-1", "between 0 and 60000"),
        ("latency=90-50", "LOW-HIGH"),
        ("latency=none.csv", "cannot be read"),
        ("fee_tiers=5:0/0", "ascending volume from 0"),
        ("fee_tiers=0:0/0,0:0/0", "ascending volume from 0"),
        ("fee_tiers=0:0", "VOLUME:MAKER/TAKER"),
        ("fee_asset=BNB", "ASSET@PRICE"),
        ("fee_asset=BNB@0", "greater than zero"),
        ("filters=yes", "on or off"),
        ("rejects=1.5", "between 0 and 1"),
        ("seed=1.5", "whole number"),
        ("self_trade=yes", "expire-taker"),
        ("recovery=-1", "between 0"),
        ("beyond=0.7:0.03", "Y:VOLATILITY:VOLUME"),
        ("funding=0.2", "between"),
        ("funding=none.csv", "cannot be read"),
        ("funding_hours=3", "1, 2, 4, 8, 12 or 24"),
        ("leverage=0", "between 1 and 200"),
        ("maintenance=0.01", "give leverage first"),
        ("liquidation_fee=0.01", "give leverage first"),
        ("price_band=nan", "plain number|finite"),
    ],
)
def test_bad_models_are_named(model: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        scenario_of(models=[model])


def test_bad_names_and_tables(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"--scenario: rosy: expected one of plain"):
        scenario_of("rosy")
    with pytest.raises(BadInput, match="given twice"):
        scenario_of(models=["seed=1", "seed=2"])
    for text, says in (
        ("ts_ns,req_ns\n1,2\n", "expected the columns"),
        ("ts_ns,req_ns,resp_ns\n", "holds no rows"),
        ("ts_ns,req_ns,resp_ns\n1,2\n", "resp_ns is missing"),
        ("ts_ns,req_ns,resp_ns\n1,x,3\n", "req_ns must be a whole number"),
        ("ts_ns,req_ns,resp_ns\n2,1,1\n2,1,1\n", "must ascend"),
        ("ts_ns,req_ns,resp_ns\n2,-1,1\n", "req_ns must lie between"),
    ):
        file = tmp_path / "trips.csv"
        file.write_text(text)
        with pytest.raises(BadInput, match=says):
            scenario_of(models=[f"latency={file}"])


def test_paper_settings_name_a_scenario_and_win_over_it_where_they_are_set() -> None:
    assert paper_scenario(PaperSettings()) == Scenario()
    assert paper_scenario(PaperSettings(scenario="realistic")) == scenario_of("realistic")
    own = PaperSettings(scenario="realistic", queue="log-prob-2", latency_ms=Decimal(3))
    assert paper_scenario(own) == scenario_of("realistic", ["queue=log-prob-2", "latency=3"])
    with pytest.raises(BadInput, match=r"paper\.scenario: rosy"):
        paper_scenario(PaperSettings(scenario="rosy"))


def test_the_bounds_of_a_run_keep_what_is_fact_for_the_account() -> None:
    run = scenario_of("realistic", ["maker=-0.0001", "leverage=20", "funding=0.0001", "seed=3"])
    for name in BOUNDS:
        bound = bound_of(name, run)
        assert (bound.maker, bound.margin, bound.funding) == (run.maker, run.margin, run.funding)
        named = scenario_of(name)
        assert (bound.latency, bound.queue, bound.refusals, bound.impact, bound.self_trade) == (
            named.latency,
            named.queue,
            named.refusals,
            named.impact,
            named.self_trade,
        )


def test_every_model_says_what_it_takes() -> None:
    assert all(model.takes for model in MODELS.values())
