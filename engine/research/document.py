"""What a backtest came to, as the JSON document that `backtest run --json` prints.

The same bytes for the same input: nothing of the clock, the machine or the order of a set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from engine.domain.events import RiskTripped
from engine.domain.instrument import Instrument
from engine.domain.money import MONEY, ZERO, tidy
from engine.research.fills import FillQuality, summary
from engine.research.headline import headline_metrics, hold_profit
from engine.research.metrics import METRICS, Basis, Inputs, Value, measure_all, measure_holding
from engine.research.numbers import rounded
from engine.research.periods import histogram, months
from engine.runtime.backtest import BacktestResult, FillRow
from engine.runtime.trader import BotSpec
from engine.store.results import EquityPoint, ResultFill, StoredRun

CASH_IS_ZERO = frozenset({"%", "days"})


class Setting(NamedTuple):
    """What was run, and under which assumptions."""

    bot: BotSpec
    scenario: str
    instrument: Instrument
    capital: Decimal
    assumptions: Sequence[str] = ()
    basis: Basis = Basis.DAY
    tried: int = 1
    """Parameter sets that this one was chosen from."""


def build_document(
    setting: Setting, result: BacktestResult, qualities: Sequence[FillQuality]
) -> dict[str, Any]:
    instrument, capital = setting.instrument, setting.capital
    inputs = Inputs(result, instrument, capital, setting.basis, setting.tried)
    values = measure_all(inputs)
    held = measure_holding(Inputs(result, instrument, capital, setting.basis, is_holding=True))
    document = {
        "strategy": setting.bot.strategy,
        "params": json.loads(setting.bot.params_json),
        "instrument": instrument.instrument_id,
        "settle": instrument.settle,
        "scenario": setting.scenario,
        "capital": tidy(capital),
        "rows": result.rows,
        "start_ns": result.start_ns,
        "end_ns": result.end_ns,
        "orders": result.orders,
        "cancels": result.cancels,
        "fills": result.fills,
        "denied": result.denied,
        "denied_by": dict(sorted(result.denied_by.items())),
        "limits_reached": [_trip(event) for event in result.tripped],
        "position": tidy(result.position),
        "mid": tidy(result.mid),
        "cash": tidy(result.cash),
        "inventory": tidy(result.inventory),
        "fees": tidy(result.fees),
        "funding": tidy(result.funding),
        "equity": tidy(result.equity),
        "metrics": headline_metrics(result, instrument, capital) | _numbers(values),
        "metrics_basis": setting.basis.value,
        "tried": setting.tried,
        "metrics_missing": _reasons(values),
        "benchmarks": {"cash": _of_cash(), "buy_and_hold": _numbers(held)},
        "months": months(inputs),
        "histogram": histogram(inputs),
        "fills_quality": summary(result, qualities, instrument),
    }
    if result.liquidations:
        document["liquidations"] = result.liquidations
    if setting.assumptions:
        document["assumptions"] = list(setting.assumptions)
    return document


def _trip(event: RiskTripped) -> dict[str, Any]:
    named = {"ts_ns": event.ts_ns, "limit": event.limit}
    return {**named, "limit_value": event.limit_value, "value": event.value}


def _numbers(values: Mapping[str, Value]) -> dict[str, Decimal | None]:
    return {
        name: None if found.value is None else rounded(found.value)
        for name, found in values.items()
    }


def _reasons(values: Mapping[str, Value]) -> dict[str, str]:
    """Why a metric is null. Infinity is one of the reasons: JSON has no such number."""
    reasons = {}
    for name, found in values.items():
        if found.value is None:
            reasons[name] = found.reason
        elif rounded(found.value) is None:
            reasons[name] = "infinite" if found.value > 0 else "minus infinite"
    return reasons


def _of_cash() -> dict[str, Decimal]:
    """Money that lies there returns nothing, risks nothing, and has no ratio of the two."""
    return {
        metric.name: ZERO
        for metric in METRICS
        if metric.has_benchmark
        and metric.unit in CASH_IS_ZERO
        and metric.name != "skill_probability_pct"
    }


_REALISM = ("scenario", "orders", "fills", "fees", "funding", "equity")


def realism_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """What of a run is set beside the same run under other scenarios."""
    quality = document["fills_quality"]
    return {name: document[name] for name in _REALISM} | {
        "profit_pct": document["metrics"]["profit_pct"],
        "fill_probability_pct": quality["fill_probability_pct"],
        "adverse_selection_bp": quality["adverse_selection_bp"],
    }


# -- bytes ---------------------------------------------------------------------------------------


def encode_document(document: Mapping[str, Any]) -> bytes:
    """What a run is stored as, and named by the hash of."""
    return msgspec.json.Encoder(decimal_format="number").encode(document)


def decode_document(data: bytes) -> dict[str, Any]:
    """Every number as it was written: Decimal, not float."""
    document: dict[str, Any] = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode(data)
    return document


def stored_run(
    document: Mapping[str, Any],
    result: BacktestResult,
    instrument: Instrument,
    qualities: Sequence[FillQuality],
) -> StoredRun:
    """Document, fills and equity, as the results file and the report take them."""
    return StoredRun(
        document=encode_document(document),
        fills=[
            _fill(row, quality, instrument)
            for row, quality in zip(result.trades, qualities, strict=True)
        ],
        equity=_equity(result, instrument, document["capital"]),
    )


def _fill(row: FillRow, quality: FillQuality, instrument: Instrument) -> ResultFill:
    rank = quality.rank
    marks = (None if bp is None else float(rounded(bp) or 0) for bp in quality.markouts_bp)
    after_1s, after_5s, after_60s = marks
    return ResultFill(
        ts_ns=row.ts_ns,
        side=row.side,
        price=tidy(row.price),
        qty=tidy(row.qty),
        fee=tidy(row.fee),
        maker=row.maker,
        queue_ahead=tidy(row.queue_ahead),
        order_id=row.order_id,
        queue_rank=None if rank is None else float(rounded(rank) or 0),
        deep_queue=quality.is_deep,
        toxic=quality.is_toxic,
        volume_resting=tidy(instrument.qty(quality.volume_resting)),
        markout_1s_bp=after_1s,
        markout_5s_bp=after_5s,
        markout_60s_bp=after_60s,
        queue_left=_qty(quality.queue_left_lots, instrument),
        level_volume=_qty(quality.level_volume_lots, instrument),
        latency_ms=quality.latency_ns / 1e6 if quality.latency_ns >= 0 else None,
    )


def _qty(lots: int, instrument: Instrument) -> Decimal | None:
    return tidy(instrument.qty(lots)) if lots >= 0 else None


def _equity(result: BacktestResult, instrument: Instrument, capital: Decimal) -> list[EquityPoint]:
    half_tick = MONEY.multiply(instrument.tick, Decimal("0.5"))
    first = result.first_mid
    points = [_point(result.start_ns, ZERO, first, ZERO, first, instrument, capital)]
    for sample in result.samples:
        mid = MONEY.multiply(Decimal(sample.mid_x2), half_tick)
        qty = instrument.qty(sample.lots)
        points.append(_point(sample.ts_ns, sample.profit, mid, qty, first, instrument, capital))
    return points


def _point(
    ts_ns: int,
    profit: Decimal,
    mid: Decimal,
    position: Decimal,
    first: Decimal,
    instrument: Instrument,
    capital: Decimal,
) -> EquityPoint:
    return EquityPoint(
        ts_ns=ts_ns,
        profit=tidy(profit),
        hold=hold_profit(instrument, capital, first, mid),
        mid=tidy(mid),
        position=tidy(position),
    )
