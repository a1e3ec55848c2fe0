"""One ordeal: a live engine is killed at the drill exchange, faults on, and a judge decides.

An engine trades (a grid bot and orders by hand) while faults strike; it is killed with SIGKILL at a
swept point (as the n-th request of a kind reaches the venue, or once it is done and not yet
answered; after a commit of the ledger; at any moment) and started again, faults on. Then they end:
it has to be trading within 60 s, to know the fate of every order, to carry out the kill switch, to
have kept its key to itself, and to agree with the exchange's own ledger to the last digit.

`soak` runs many of them.
"""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from engine.domain import commands as c
from engine.domain.order import (
    OrderSpec,
    OrderStatus,
    OrderType,
    Pending,
    Side,
    TimeInForce,
)
from engine.domain.snapshots import LinkStage
from engine.drill.faults.catalogue import FaultKind as K
from engine.drill.faults.plan import FaultPlan, FaultRule
from tests.drill.rig import EngineLife, Rig, open_rig

BACK_S = 60.0
"""How long after the faults' end it may take to be trading again..."""
SETTLED_S = 90.0
"""...and to know the fate of every order: a placement that never arrived is proven absent after a
quiet period of half a minute."""
KILL_SENT_S, KILL_VERIFIED_S = 1.0, 10.0
VENUES = ("binance_spot", "binance_usdm")
BOT_ID = "grid-1"
GRID = {
    "levels": "3",
    "interval_ticks": "100",
    "half_spread_ticks": "200",
    "qty": "0.002",
    "max_position": "0.04",
    "every_ms": "300",
}
_ORDER, _CANCEL, _ASK = "POST *order", "DELETE *order", "GET *rder*|GET *Trades|GET *account*"

RULES: tuple[FaultRule, ...] = (
    FaultRule(kind=K.DROP_BEFORE, on=_ORDER, rate=0.2),
    FaultRule(kind=K.DROP_AFTER, on=_ORDER, rate=0.3),
    FaultRule(kind=K.RESET_AFTER, on=f"{_ORDER}|{_CANCEL}", rate=0.3),
    FaultRule(kind=K.HANG_AFTER, on=_ORDER, at=(3,)),
    FaultRule(kind=K.HANG_BEFORE, on=_ORDER, at=(4,)),
    FaultRule(kind=K.DELAY_BEFORE, on=f"{_ORDER}|{_CANCEL}", rate=0.3, for_s=1.2),
    FaultRule(kind=K.DELAY_AFTER, on=f"{_ORDER}|{_CANCEL}", rate=0.3, for_s=1.2),
    # Of cancels only: a market order that has filled at once may be placed again under its id, so
    # a venue that receives it twice doubles it, and nobody could help that.
    FaultRule(kind=K.DUPLICATE_REQUEST, on=_CANCEL, rate=0.5),
    FaultRule(kind=K.REORDER_REQUEST, on=f"{_ORDER}|{_CANCEL}", rate=0.3, for_s=0.4),
    FaultRule(kind=K.CUT_BODY, on=f"{_ORDER}|{_ASK}", rate=0.2),
    FaultRule(kind=K.TRUNCATED_JSON, on=f"{_ORDER}|{_ASK}", rate=0.2),
    FaultRule(kind=K.WRONG_CONTENT_TYPE, on="*", rate=0.3),
    FaultRule(kind=K.CAPTIVE_PORTAL, on=f"{_ORDER}|{_CANCEL}|{_ASK}", rate=0.2),
    FaultRule(kind=K.WAF, on=f"{_ORDER}|{_ASK}", rate=0.15),
    FaultRule(kind=K.ERROR_AFTER, on=_ORDER, rate=0.3),
    FaultRule(kind=K.ERROR_BEFORE, on=f"{_ORDER}|{_ASK}", rate=0.2),
    FaultRule(kind=K.TIMEOUT_1007_AFTER, on=_ORDER, rate=0.3),
    FaultRule(kind=K.TIMEOUT_1007_BEFORE, on=_ORDER, rate=0.2),
    FaultRule(kind=K.UNKNOWN_1006_AFTER, on=_ORDER, rate=0.3),
    FaultRule(kind=K.UNKNOWN_1006_BEFORE, on=_ORDER, rate=0.2),
    FaultRule(kind=K.OVERLOADED_1008, on=f"{_ORDER}|{_CANCEL}", rate=0.25),
    FaultRule(kind=K.BAD_TIMESTAMP_1021, on=f"{_ORDER}|{_CANCEL}|{_ASK}", rate=0.2),
    FaultRule(kind=K.ORDER_REFUSED, on=_ORDER, rate=0.3),
    FaultRule(kind=K.TOO_MANY_REQUESTS, on="*", rate=0.05, amount=1, times=3),
    FaultRule(kind=K.BAN, on="*", at=(40,), amount=3),
    FaultRule(kind=K.QUERY_LAG, amount=3),
    FaultRule(kind=K.FILL_BEFORE_CANCEL, rate=0.5),
    FaultRule(kind=K.CONNECTION_RESET, on="user/*", every=4),
    FaultRule(kind=K.HALF_OPEN, on="user/*", at=(3,), for_s=5),
    FaultRule(kind=K.CUT_IN_FRAME, on="user/*", every=5),
    FaultRule(kind=K.FRAME_LOST, on="user/*", rate=0.3),
    FaultRule(kind=K.FRAME_LATE, on="user/*", rate=0.3, for_s=1.5),
    FaultRule(kind=K.FRAME_CUT, on="user/*", every=5),
    FaultRule(kind=K.FRAME_GARBAGE, on="user/*", every=7),
    FaultRule(kind=K.STREAM_CLOSED, on="user/*", every=6),
    FaultRule(kind=K.REPORT_TWICE, rate=0.5),
    FaultRule(kind=K.REPORTS_SWAPPED, rate=0.4),
    FaultRule(kind=K.FILL_MISSING, rate=0.5),
    FaultRule(kind=K.FILL_BEFORE_NEW, rate=0.5),
    FaultRule(kind=K.FILL_AFTER_CANCELED, rate=0.5, for_s=2),
    FaultRule(kind=K.UNKNOWN_STATUS, rate=0.1),
    FaultRule(kind=K.BALANCE_LATE, rate=0.5, for_s=2),
    FaultRule(kind=K.DEPTH_GAP, rate=0.1),
    FaultRule(kind=K.CROSSED_BOOK, rate=0.1),
    FaultRule(kind=K.PRICE_SPIKE, rate=0.05),
    FaultRule(kind=K.NUMBER_NAN, rate=0.05),
    FaultRule(kind=K.NUMBER_1E400, rate=0.05),
    FaultRule(kind=K.FROZEN, from_s=1, for_s=3),
    FaultRule(kind=K.FLASH, from_s=1, for_s=2),
    FaultRule(kind=K.CRASH, from_s=0.5),
    FaultRule(kind=K.CLOCK_SKEW, from_s=1.5, for_s=4, amount=20),
    FaultRule(kind=K.MAINTENANCE, from_s=2, for_s=3),
    FaultRule(kind=K.SYMBOL_HALT, from_s=2, for_s=3),
    FaultRule(kind=K.FORCED_DISCONNECT, from_s=1.5, every=3),
    FaultRule(kind=K.STREAM_TERMINATED, from_s=1.5, every=3),
    FaultRule(kind=K.SERVER_SHUTDOWN, from_s=2, amount=0.5),
    FaultRule(kind=K.CONNECTION_REFUSED, from_s=2, for_s=3),
    FaultRule(kind=K.NAME_UNKNOWN, from_s=2, for_s=3),
    FaultRule(kind=K.CERTIFICATE_EXPIRED, from_s=2, for_s=3),
    FaultRule(kind=K.CANCELED_BY_VENUE, from_s=2.5),
    FaultRule(kind=K.EXPIRED_IN_MATCH, from_s=2.5),
)
"""One rule per kind, sized so that it strikes within the seconds of a run."""

DEADLY = (
    "POST before",
    "POST after",
    "DELETE before",
    "DELETE after",
    "GET before",
    "moment",
    "commit",
)


def _drawn(seed: int, chance: random.Random) -> Sequence[FaultRule]:
    """Each rule in turn, and three by chance."""
    first = RULES[seed % len(RULES)]
    return (first, *chance.sample([rule for rule in RULES if rule is not first], 3))


class Run(msgspec.Struct, kw_only=True):
    """What became of one run."""

    seed: int
    venue: str = VENUES[0]
    rules: list[str]
    moment: str
    """Where it was killed."""
    struck: dict[str, int] = {}
    orders: int = 0
    fills: int = 0
    back_s: float = 0.0
    """From the faults' end to trading."""
    settled_s: float = 0.0
    """From the faults' end until no order's fate was open."""
    kill_sent_s: float = 0.0
    """From the command until each order's first cancel had reached the venue."""
    kill_zero_s: float = 0.0
    """From the command to the venue's last open order of ours."""
    kill_verified_s: float = 0.0
    """From the command to the receipt that says so."""
    waited_s: float = 0.0
    """How long the killed and restarted engine's main thread was ready and had no core."""
    kill_waited_s: float = 0.0
    """The same, within the kill switch: what was late through the machine, not through us."""
    took_s: float = 0.0
    problems: list[str] = []

    @property
    def again(self) -> str:
        """What to type to see it once more."""
        return f"python -m tests.drill.soak --runs 1 --seed {self.seed} --venue {self.venue}"


class Soak:
    """One run, from an empty folder to the judge."""

    def __init__(
        self, rig: Rig, seed: int, rules: Sequence[FaultRule] = (), moment: str = ""
    ) -> None:
        """`rules` and `moment` are drawn by `seed` where they are not given; of several moments
        ("commit, POST after") each ends a life."""
        self.rig = rig
        self.random = random.Random(seed)
        rules = rules or _drawn(seed, self.random)
        self.plan = FaultPlan(name=f"soak {seed}", rules=tuple(rules), seed=seed)
        self.moment = moment or DEADLY[seed % len(DEADLY)]
        kinds = [rule.kind.value for rule in rules]
        self.report = Run(seed=seed, venue=rig.venue, rules=kinds, moment=self.moment)

    async def run(self) -> Run:
        rig, report = self.rig, self.report
        life = await rig.start_engine()
        await rig.until(lambda: life.stage is LinkStage.TRADING, BACK_S)
        instrument_id = life.picture.instruments[0].instrument_id
        life.send(
            c.AddBot(
                command_id=life.new_id(),
                bot_id=BOT_ID,
                strategy="grid",
                instrument_id=instrument_id,
                params_json=json.dumps(GRID),
            )
        )
        await self._trade(life, 1.0)
        rig.marksman.begin(self.plan)
        for moment in self.moment.split(", "):
            await self._die(life, moment)
            life = await rig.start_engine()
        await self._trade(life, 3.0)
        report.struck = {kind.value: count for kind, count in rig.marksman.desk.struck.items()}
        rig.marksman.switch_off()
        await self._come_back(life)
        await self._kill_switch(life)
        report.waited_s = round(life.waited_s(), 3)
        report.problems += await asyncio.to_thread(rig.leaks)
        code = await life.stop()
        if code:
            report.problems.append(f"exit code {code}: {life.words()}")
        ours, found = rig.judge()
        report.orders, report.fills = len(ours.orders), sum(map(len, ours.fills.values()))
        report.problems += found
        report.problems += [f"drill: {failure}" for failure in rig.server.failures]
        report.problems += await asyncio.to_thread(rig.leaks)
        return report

    # -- trading and dying -------------------------------------------------------------------------

    async def _trade(self, life: EngineLife, seconds: float) -> None:
        """Orders by hand, as long as it lives; what it refuses is its right."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and life.is_alive:
            await self._act(life)
            await asyncio.sleep(self.random.uniform(0.05, 0.3))

    async def _act(self, life: EngineLife) -> None:
        shot, choice = life.picture, self.random.random()
        mine = [one.order for one in shot.orders if one.order.placed_by == "human"]
        if choice < 0.25 and mine:
            order = self.random.choice(mine)
            life.send(
                c.CancelOrder(command_id=life.new_id(), client_order_id=order.client_order_id)
            )
        else:
            spec = self._spec(life, choice)
            if spec is not None:
                life.send(c.PlaceOrder(command_id=life.new_id(), bot_id="manual", spec=spec))

    def _spec(self, life: EngineLife, choice: float) -> OrderSpec | None:
        shot = life.picture
        instrument, price = (
            shot.instruments[0],
            self.rig.server.control.price_of(self.rig.venue, "BTCUSDT"),
        )
        if price is None:
            return None
        held = sum(one.lots for one in shot.positions if one.bot_id == "manual")
        lots = instrument.lots(Decimal(self.random.randint(2, 5)) / 1000, "qty")
        side = Side.SELL if held >= lots and choice < 0.6 else Side.BUY
        if choice > 0.8:
            return OrderSpec(
                instrument_id=instrument.instrument_id, side=side, qty_lots=lots,
                type=OrderType.MARKET, tif=TimeInForce.IOC,
            )  # fmt: skip
        away = Decimal(self.random.randint(-3, 12)) / 10_000 * -side.sign
        ticks = int(price * (1 + away) / instrument.tick)
        return OrderSpec(
            instrument_id=instrument.instrument_id, side=side, qty_lots=lots, price_ticks=ticks
        )

    async def _die(self, life: EngineLife, moment: str) -> None:
        method, _, when = moment.partition(" ")
        if when:
            number = self.random.randint(1, 5)
            self.rig.marksman.aim(life.pid, f"{method} /*api/*", number, after=when == "after")
            await self._trade(life, 6.0)
        elif method == "commit":
            await self._trade(life, self.random.uniform(0.5, 2.0))
            await self._wait_for_commit()
        else:
            await self._trade(life, self.random.uniform(0.2, 4.0))
        life.kill()
        self.rig.marksman.disarm()
        await life.bury()

    async def _wait_for_commit(self) -> None:
        wal = self.rig.ledger_path
        wal = wal.with_name(wal.name + "-wal")
        before, deadline = wal.stat().st_mtime_ns, time.monotonic() + 2.0
        while wal.stat().st_mtime_ns == before and time.monotonic() < deadline:
            time.sleep(0.0003)  # noqa: ASYNC251 - as closely behind the commit as can be.

    # -- afterwards --------------------------------------------------------------------------------

    async def _come_back(self, life: EngineLife) -> None:
        rig, report = self.rig, self.report
        start = time.monotonic()
        try:
            await rig.until(lambda: life.stage is LinkStage.TRADING, BACK_S)
            report.back_s = round(time.monotonic() - start, 2)
            left_s = start + SETTLED_S - time.monotonic()
            await rig.until(lambda: self._is_settled(life), left_s)
            report.settled_s = round(time.monotonic() - start, 2)
        except AssertionError as error:
            report.problems.append(f"not back: {error}")

    def _is_settled(self, life: EngineLife) -> bool:
        """Trading, and no order whose fate is open."""
        shot = life.picture
        is_open = any(
            one.order.status is OrderStatus.INTENT or one.order.pending is Pending.UNKNOWN
            for one in shot.orders
        )
        link = shot.link
        return link is not None and link.stage is LinkStage.TRADING and not is_open

    async def _kill_switch(self, life: EngineLife) -> None:
        rig, report = self.rig, self.report
        command_id = life.new_id()
        heard, waited_s = len(rig.marksman.heard), life.waited_s()
        start = time.monotonic()
        life.send(c.Kill(command_id=command_id))
        try:
            await rig.until(lambda: not rig.our_open_orders(), KILL_VERIFIED_S)
            report.kill_zero_s = round(time.monotonic() - start, 3)
            left_s = start + KILL_VERIFIED_S - time.monotonic()
            await rig.until(lambda: self._is_verified(life, command_id), left_s)
            report.kill_verified_s = round(time.monotonic() - start, 3)
        except AssertionError as error:
            report.problems.append(f"kill switch: {error}")
        report.kill_waited_s = round(life.waited_s() - waited_s, 3)
        first: dict[str, float] = {}
        for at, route, order_id in rig.marksman.heard[heard:]:
            if route.startswith("DELETE"):
                first.setdefault(order_id, at)
        report.kill_sent_s = round(max(first.values(), default=start) - start, 3)
        if report.kill_sent_s > KILL_SENT_S:
            report.problems.append(
                f"kill switch: the last cancel came after {report.kill_sent_s} s, "
                f"{report.kill_waited_s} s of them without a core"
            )

    @staticmethod
    def _is_verified(life: EngineLife, command_id: str) -> bool:
        return any(one.command_id == command_id and one.verified for one in life.picture.receipts)


def venue_of(seed: int) -> str:
    """Both in turn, changing over with every round of the rules: each rule meets each venue."""
    return VENUES[sum(divmod(seed, len(RULES))) % len(VENUES)]


async def one_run(
    seed: int,
    venue: str = "binance_spot",
    rules: Sequence[FaultRule] = (),
    moment: str = "",
    keep: Path | None = None,
) -> Run:
    """With `keep` the files of a run that went wrong are left there."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak") as folder:
        home = Path(folder) / "home"
        async with open_rig(home, seed=seed, venue=venue) as rig:
            soak = Soak(rig, seed, rules, moment)
            report = soak.report
            try:
                await soak.run()
            except AssertionError as error:
                report.problems.append(str(error))
        if report.problems and keep is not None:
            await asyncio.to_thread(
                shutil.copytree, home, keep / f"{venue}-{seed}", dirs_exist_ok=True
            )
    report.took_s = round(time.monotonic() - began, 1)
    return report
