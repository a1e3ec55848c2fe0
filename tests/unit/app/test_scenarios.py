"""Scenarios in words: names, files, single models and options, and what wins over what."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from pyarrow import parquet

from app.scenarios import MODELS, NAMED, scenario_of
from engine.domain.errors import BadInput
from engine.sim.fees import FeePlan, Tier
from engine.sim.latency import VENUE_LATENCY, OfVenue, RoundTrips, Spread
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


def test_every_model_says_what_it_takes() -> None:
    assert all(model.takes for model in MODELS.values())
