"""The words of the command line and the settings as a simulation scenario.

A scenario is a set of models by name, `key=value`: built in (`NAMED`), from a TOML file of such
keys, from the settings, or given one by one. What is given singly wins over what is named.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import msgspec

from app import tomlfile
from app.settings import PaperSettings
from engine.archive.tables import read_columns, table_columns, whole_numbers
from engine.domain.errors import BadInput
from engine.domain.money import parse_decimal
from engine.sim import latency as lat
from engine.sim.fees import FeePlan, Tier
from engine.sim.funding import HOUR_NS, FundingPlan, RecordedRate
from engine.sim.impact import Impact
from engine.sim.margin import MarginPlan, tiers_of
from engine.sim.refusals import Refusals
from engine.sim.scenario import (
    Scenario,
    SelfTrade,
    parse_fills,
    parse_queue,
    parse_self_trade,
)

LATENCY_MS_MAX = lat.LATENCY_MS_MAX
FEE_RATE_MAX = Decimal("0.05")
SEED_MAX = (1 << 31) - 1

Change = Callable[[Scenario, str, str], Scenario]
"""(scenario, field to name in an error, text) -> scenario with that model."""


class Model(NamedTuple):
    """One key of a scenario: what it takes, for people, and what it does."""

    takes: str
    change: Change


# -- what a value may be ---------------------------------------------------------------------------


def _number(field: str, text: str, low: str, high: str) -> Decimal:
    number = parse_decimal(field, text)
    if not Decimal(low) <= number <= Decimal(high):
        raise BadInput(field, text, f"must be between {low} and {high}")
    return number


def _fee_rate(field: str, text: str) -> Decimal:
    rate = parse_decimal(field, text)
    if abs(rate) > FEE_RATE_MAX:
        raise BadInput(field, text, f"a rate such as 0.0002, at most {FEE_RATE_MAX} either way")
    return rate


def _is_on(field: str, text: str) -> bool:
    if text not in ("on", "off"):
        raise BadInput(field, text, "expected on or off")
    return text == "on"


def _ns(field: str, text: str) -> int:
    milliseconds = parse_decimal(field, text)
    if not 0 <= milliseconds <= LATENCY_MS_MAX:
        raise BadInput(field, text, f"must be between 0 and {LATENCY_MS_MAX}")
    return int(milliseconds * lat.NS_PER_MS)


# -- the models ------------------------------------------------------------------------------------


def _latency(scenario: Scenario, field: str, text: str) -> Scenario:
    replace = msgspec.structs.replace
    if text == "venue":
        return replace(scenario, latency=lat.OfVenue())
    if text in lat.VENUE_LATENCY:
        return replace(scenario, latency=lat.VENUE_LATENCY[text])
    if Path(text).suffix.lower() in (".csv", ".parquet"):
        return replace(scenario, latency=_round_trips(field, Path(text)))
    if re.fullmatch(r"[\d.]+-[\d.]+", text):
        return replace(scenario, latency=lat.parse_spread(text, field))
    latency_ns = _ns(field, text)
    return replace(
        scenario, latency=None, entry_latency_ns=latency_ns, response_latency_ns=latency_ns
    )


def _round_trips(field: str, path: Path) -> lat.RoundTrips:
    names = ("ts_ns", "req_ns", "resp_ns")
    columns = read_columns(path, names, field)
    numbers = (whole_numbers(columns[name], name, path, field) for name in names)
    ts_ns, req_ns, resp_ns = numbers
    trips = lat.RoundTrips(ts_ns=ts_ns, req_ns=req_ns, resp_ns=resp_ns)
    return lat.check_round_trips(trips, field, str(path))


def _feed(scenario: Scenario, field: str, text: str) -> Scenario:
    return msgspec.structs.replace(scenario, feed_latency_ns=_ns(field, text))


def _queue(scenario: Scenario, field: str, text: str) -> Scenario:
    return msgspec.structs.replace(scenario, queue=parse_queue(text, field))


def _fills(scenario: Scenario, field: str, text: str) -> Scenario:
    return msgspec.structs.replace(scenario, fills=parse_fills(text, field))


def _maker(scenario: Scenario, field: str, text: str) -> Scenario:
    return msgspec.structs.replace(scenario, maker=_fee_rate(field, text))


def _taker(scenario: Scenario, field: str, text: str) -> Scenario:
    return msgspec.structs.replace(scenario, taker=_fee_rate(field, text))


def _seed(scenario: Scenario, field: str, text: str) -> Scenario:
    seed = _number(field, text, "0", str(SEED_MAX))
    if seed != int(seed):
        raise BadInput(field, text, "must be a whole number")
    return msgspec.structs.replace(scenario, seed=int(seed))


def _plan(scenario: Scenario, **changes: object) -> Scenario:
    plan = msgspec.structs.replace(scenario.fees or FeePlan(), **changes)
    return msgspec.structs.replace(scenario, fees=None if plan == FeePlan() else plan)


def _fee_tiers(scenario: Scenario, field: str, text: str) -> Scenario:
    """`0:0.0002/0.0005,15000000:0.00016/0.0004`"""
    shape = "expected VOLUME:MAKER/TAKER,..., by ascending volume from 0, or none"
    tiers: list[Tier] = []
    for part in text.split(",") if text != "none" else ():
        volume, colon, rates = part.partition(":")
        maker, slash, taker = rates.partition("/")
        if not colon or not slash:
            raise BadInput(field, part, shape)
        tier = Tier(parse_decimal(field, volume), _fee_rate(field, maker), _fee_rate(field, taker))
        if tier.volume_min <= tiers[-1].volume_min if tiers else tier.volume_min != 0:
            raise BadInput(field, text, shape)
        tiers.append(tier)
    return _plan(scenario, tiers=tuple(tiers))


def _volume_30d(scenario: Scenario, field: str, text: str) -> Scenario:
    return _plan(scenario, volume_30d=_number(field, text, "0", "1000000000000000"))


def _fee_asset(scenario: Scenario, field: str, text: str) -> Scenario:
    """`BNB@600` or `BNB@600:0.25`; `settle` for the settle asset."""
    if text == "settle":
        return _plan(scenario, asset="", asset_price=Decimal(0), discount=Decimal(0))
    asset, at, rest = text.partition("@")
    price_text, _, discount_text = rest.partition(":")
    if not at or not asset.isascii() or not asset.isalnum() or not asset.isupper():
        raise BadInput(field, text, "expected settle, ASSET@PRICE or ASSET@PRICE:DISCOUNT")
    price = parse_decimal(field, price_text)
    if price <= 0:
        raise BadInput(field, text, "the price must be greater than zero")
    discount = _number(field, discount_text or "0", "0", "1")
    return _plan(scenario, asset=asset, asset_price=price, discount=discount)


def _refusals(scenario: Scenario, **changes: object) -> Scenario:
    refusals = msgspec.structs.replace(scenario.refusals, **changes)
    return msgspec.structs.replace(scenario, refusals=refusals)


def _filters(scenario: Scenario, field: str, text: str) -> Scenario:
    return _refusals(scenario, filters=_is_on(field, text))


def _price_band(scenario: Scenario, field: str, text: str) -> Scenario:
    return _refusals(scenario, price_band=_number(field, text, "0", "1"), filters=True)


def _rejects(scenario: Scenario, field: str, text: str) -> Scenario:
    return _refusals(scenario, reject_rate=_number(field, text, "0", "1"))


def _outages(scenario: Scenario, field: str, text: str) -> Scenario:
    return _refusals(scenario, outage_rate=_number(field, text, "0", "1"))


def _funding(scenario: Scenario, field: str, text: str) -> Scenario:
    """A rate of one interval, or a table of recorded ones."""
    plan = scenario.funding or FundingPlan()
    if Path(text).suffix.lower() in (".csv", ".parquet"):
        plan = msgspec.structs.replace(plan, recorded=_recorded_rates(field, Path(text)))
    elif text == "none":
        return msgspec.structs.replace(scenario, funding=None)
    else:
        plan = msgspec.structs.replace(plan, rate=_number(field, text, "-0.05", "0.05"))
    return msgspec.structs.replace(scenario, funding=plan)


def _recorded_rates(field: str, path: Path) -> tuple[RecordedRate, ...]:
    names = table_columns(path, field)
    time = "ts_ns" if "ts_ns" in names else "timestamp_ms"
    rate = "rate" if "rate" in names else "funding_rate"
    wanted = [time, rate, "mark"] if "mark" in names else [time, rate]
    columns = read_columns(path, wanted, field)
    times = whole_numbers(columns[time], time, path, field)
    unit_ns = 1 if time == "ts_ns" else lat.NS_PER_MS
    marks = columns.get("mark", [""] * len(times))
    rates = [
        RecordedRate(
            ts * unit_ns,
            _number(field, text, "-0.1", "0.1"),
            _mark(field, mark) if mark else None,
        )
        for ts, text, mark in zip(times, columns[rate], marks, strict=True)
    ]
    if any(a.ts_ns >= b.ts_ns for a, b in pairwise(rates)):
        raise BadInput(field, str(path), f"{time} must ascend from row to row")
    return tuple(rates)


def _mark(field: str, text: str) -> Decimal:
    mark = parse_decimal(field, text)
    if mark <= 0:
        raise BadInput(field, text, "a mark price must be greater than zero")
    return mark


def _funding_hours(scenario: Scenario, field: str, text: str) -> Scenario:
    hours = _number(field, text, "1", "24")
    if hours not in (1, 2, 4, 8, 12, 24):
        raise BadInput(field, text, "expected 1, 2, 4, 8, 12 or 24")
    plan = scenario.funding or FundingPlan()
    plan = msgspec.structs.replace(plan, interval_ns=int(hours) * HOUR_NS)
    return msgspec.structs.replace(scenario, funding=plan)


def _leverage(scenario: Scenario, field: str, text: str) -> Scenario:
    if text == "off":
        return msgspec.structs.replace(scenario, margin=None)
    leverage = _number(field, text, "1", "200")
    plan = scenario.margin or MarginPlan(leverage=leverage)
    return msgspec.structs.replace(
        scenario, margin=msgspec.structs.replace(plan, leverage=leverage)
    )


def _maintenance(scenario: Scenario, field: str, text: str) -> Scenario:
    """`0.005`, or tiers `0:0.004,50000:0.005`."""
    plan = _margin_of(scenario, field, text)
    shape = "expected a RATE below 1, or VALUE:RATE,... by ascending value from 0"
    pairs: list[tuple[Decimal, Decimal]] = []
    for part in text.split(","):
        value_text, colon, rate_text = part.rpartition(":")
        value = parse_decimal(field, value_text) if colon else Decimal(0)
        rate = parse_decimal(field, rate_text)
        lowest = pairs[-1] if pairs else (Decimal(-1), Decimal(0))
        if value <= lowest[0] or (not pairs and value) or not lowest[1] <= rate < 1:
            raise BadInput(field, text, shape)
        pairs.append((value, rate))
    plan = msgspec.structs.replace(plan, tiers=tiers_of(pairs))
    return msgspec.structs.replace(scenario, margin=plan)


def _liquidation_fee(scenario: Scenario, field: str, text: str) -> Scenario:
    plan = _margin_of(scenario, field, text)
    plan = msgspec.structs.replace(plan, liquidation_fee=_number(field, text, "0", "0.1"))
    return msgspec.structs.replace(scenario, margin=plan)


def _margin_of(scenario: Scenario, field: str, text: str) -> MarginPlan:
    if scenario.margin is None:
        raise BadInput(field, text, "give leverage first: without it nothing is liquidated")
    return scenario.margin


def _self_trade(scenario: Scenario, field: str, text: str) -> Scenario:
    return msgspec.structs.replace(scenario, self_trade=parse_self_trade(text, field))


def _recovery(scenario: Scenario, field: str, text: str) -> Scenario:
    half_life_ns = int(_number(field, text, "0", "3600000") * lat.NS_PER_MS)
    impact = msgspec.structs.replace(scenario.impact, half_life_ns=half_life_ns)
    return msgspec.structs.replace(scenario, impact=impact)


def _beyond(scenario: Scenario, field: str, text: str) -> Scenario:
    """`0.7:0.03:250000`, or `none`."""
    if text == "none":
        impact = Impact(half_life_ns=scenario.impact.half_life_ns)
        return msgspec.structs.replace(scenario, impact=impact)
    parts = text.split(":")
    if len(parts) != 3:
        raise BadInput(field, text, "expected Y:VOLATILITY:VOLUME of a day, or none")
    impact = msgspec.structs.replace(
        scenario.impact,
        beyond=_number(field, parts[0], "0", "10"),
        volatility=_number(field, parts[1], "0", "1"),
        volume=_number(field, parts[2], "0.000001", "1000000000000000"),
    )
    return msgspec.structs.replace(scenario, impact=impact)


MODELS: dict[str, Model] = {
    "latency": Model("ms each way, LOW-HIGH ms, binance, coinbase, venue or FILE", _latency),
    "feed": Model("ms on top of the recording's own", _feed),
    "queue": Model("risk-averse, trades-only, power-prob-N, log-prob-1 or -2", _queue),
    "fills": Model("whole or partial", _fills),
    "maker": Model("rate, negative for a rebate", _maker),
    "taker": Model("rate", _taker),
    "fee_tiers": Model("VOLUME:MAKER/TAKER,... or none", _fee_tiers),
    "volume_30d": Model("traded elsewhere, quote currency", _volume_30d),
    "fee_asset": Model("settle, ASSET@PRICE or ASSET@PRICE:DISCOUNT", _fee_asset),
    "filters": Model("on or off: size, price band, notional at the venue", _filters),
    "price_band": Model("share of the mid, such as 0.05", _price_band),
    "rejects": Model("share of all orders", _rejects),
    "outages": Model("share of the time", _outages),
    "self_trade": Model("none, expire-taker, expire-maker or expire-both", _self_trade),
    "recovery": Model("half-life in ms of the holes that we take, 0 for none", _recovery),
    "beyond": Model("Y:VOLATILITY:VOLUME of a day for sizes beyond the book, or none", _beyond),
    "funding": Model("rate of one interval, FILE, or none", _funding),
    "funding_hours": Model("1, 2, 4, 8, 12 or 24", _funding_hours),
    "leverage": Model("1 to 200: isolated margin with liquidation, or off", _leverage),
    "maintenance": Model("RATE, or VALUE:RATE,... by value of the position", _maintenance),
    "liquidation_fee": Model("share of the value", _liquidation_fee),
    "seed": Model("whole number", _seed),
}

PLAIN = "plain"
NAMED: dict[str, dict[str, str]] = {
    PLAIN: {},
    "optimistic": {"latency": "1", "queue": "power-prob-3"},
    "realistic": {
        "latency": "venue",
        "queue": "power-prob-2",
        "filters": "on",
        "price_band": "0.05",
        "rejects": "0.0005",
        "self_trade": "expire-taker",
        "recovery": "500",
    },
    "pessimistic": {
        "latency": "coinbase",
        "queue": "trades-only",
        "filters": "on",
        "price_band": "0.05",
        "rejects": "0.01",
        "outages": "0.001",
        "self_trade": "expire-taker",
        "recovery": "5000",
    },
}
"""Scenarios by name; see the manual (`fills`) for why."""


def scenario_of(
    named: str = PLAIN, models: Sequence[str] = (), options: Mapping[str, str] | None = None
) -> Scenario:
    """A checked scenario: one of `NAMED` or a file, then `models` (`key=value`, from `--model`),
    then `options`, the values of options that go by the name of a model; empty ones do not count.
    BadInput names the option."""
    scenario = _apply(Scenario(), named_models(named, "--scenario"), f"--scenario {named}")
    scenario = _apply(scenario, parse_models(models), "--model")
    for key, text in (options or {}).items():
        if text:
            field = "--latency-ms" if key == "latency" else f"--{key}"
            scenario = MODELS[key].change(scenario, field, text)
    return scenario


BOUNDS = ("optimistic", "pessimistic")


def bound_of(name: str, scenario: Scenario) -> Scenario:
    """The scenario `name` for a run under `scenario`: what is fact for the account (fees, funding,
    margin, the feed) stays as it is, what is assumed of the venue changes."""
    base = msgspec.structs.replace(
        scenario, refusals=Refusals(), impact=Impact(), self_trade=SelfTrade.NONE
    )
    return _apply(base, NAMED[name], f"--scenario {name}")


def paper_scenario(settings: PaperSettings) -> Scenario:
    """What the settings say of the simulated venue. BadInput names the scenario's key."""
    field, usual = "paper.scenario", PaperSettings()
    scenario = _apply(Scenario(), named_models(settings.scenario, field), field)
    own = {
        "latency": (settings.latency_ms, usual.latency_ms),
        "queue": (settings.queue, usual.queue),
        "fills": (settings.fills, usual.fills),
        "maker": (settings.maker, usual.maker),
        "taker": (settings.taker, usual.taker),
    }
    for key, (value, default) in own.items():
        if value != default:
            scenario = MODELS[key].change(scenario, f"paper.{key}", str(value))
    return scenario


def parse_models(texts: Sequence[str]) -> dict[str, str]:
    """`["stp=none"]` as a mapping; BadInput for anything that is not key=value."""
    values: dict[str, str] = {}
    for text in texts:
        key, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not value:
            raise BadInput("--model", text, "expected key=value")
        if key in values:
            raise BadInput("--model", text, f"{key} is given twice")
        values[key] = value
    return values


def named_models(name: str, field: str) -> dict[str, str]:
    """The keys and values of a scenario by its name or its file."""
    if name in NAMED:
        return NAMED[name]
    path = Path(name)
    if path.suffix.lower() != ".toml":
        raise BadInput(field, name, f"expected one of {', '.join(NAMED)}, or a .toml file")
    try:
        document = tomlfile.parse(tomlfile.read_text(path))
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise BadInput(field, name, f"cannot be read: {said}") from None
    values = {}
    for key, value in document.items():
        if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
            raise BadInput(f"{field} {name}: {key}", value, "write a number, or text in quotes")
        values[key] = str(value)
    return values


def _apply(scenario: Scenario, values: Mapping[str, str], where: str) -> Scenario:
    for key, text in values.items():
        if key not in MODELS:
            raise BadInput(where, key, f"no such model; known are: {', '.join(MODELS)}")
        scenario = MODELS[key].change(scenario, f"{where}: {key}", text)
    return scenario
