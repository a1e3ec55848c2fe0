"""The views as containers of panes, for narrow (80x24) and wide (160x45) terminals.

View 1 is laid out twice because the two sizes place different panes; the others only turn their
containers, which app.tcss does. A view is built when it is first shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from textual.containers import Container, Horizontal, Vertical
from textual.widget import Widget

from ui_tui.look import Look
from ui_tui.pane import Pane
from ui_tui.widgets.account import AccountPane
from ui_tui.widgets.algos import AlgosPane
from ui_tui.widgets.botdetail import BotDetailPane
from ui_tui.widgets.bots import BotsPane
from ui_tui.widgets.chart import ChartPane
from ui_tui.widgets.equity import EquityPane
from ui_tui.widgets.fills import FillsPane
from ui_tui.widgets.incidents import IncidentsPane
from ui_tui.widgets.ladder import LadderPane
from ui_tui.widgets.limits import LimitsPane
from ui_tui.widgets.log import LogPane
from ui_tui.widgets.orders import OrdersPane
from ui_tui.widgets.positions import PositionsPane
from ui_tui.widgets.risk import RiskPane
from ui_tui.widgets.runs import RunPane, RunsPane
from ui_tui.widgets.settings import KeysPane, SettingsPane
from ui_tui.widgets.tape import TapePane


class View(NamedTuple):
    root: Widget
    panes: list[Pane]
    """In reading order."""


def _trade_wide(look: Look) -> View:
    chart, ladder = ChartPane(look), LadderPane(look, classes="ladder")
    tape, fills = TapePane(look), FillsPane(look)
    bots, positions = BotsPane(look), PositionsPane(look, classes="positions")
    orders = OrdersPane(look, classes="orders")
    risk, log = RiskPane(look, classes="line"), LogPane(look, classes="log")
    root = Vertical(
        Horizontal(chart, ladder, Vertical(tape, fills, classes="prints"), classes="top"),
        Horizontal(bots, positions, orders, classes="middle"),
        risk,
        log,
        id="trade-wide",
        classes="view",
    )
    return View(root, [chart, ladder, tape, fills, bots, positions, orders, risk, log])


def _trade_narrow(look: Look) -> View:
    ladder, bots = LadderPane(look, classes="ladder"), BotsPane(look, classes="bots")
    orders, tape = OrdersPane(look, classes="orders"), TapePane(look)
    risk, log = RiskPane(look, classes="line"), LogPane(look, classes="line")
    root = Vertical(
        Horizontal(ladder, Vertical(bots, orders, tape, classes="side"), classes="top"),
        risk,
        log,
        id="trade-narrow",
        classes="view",
    )
    return View(root, [ladder, bots, orders, tape, risk, log])


def _bots(look: Look) -> View:
    bots, detail = BotsPane(look), BotDetailPane(look, classes="wide-only")
    risk, equity = RiskPane(look), EquityPane(look, classes="wide-only")
    log = LogPane(look, classes="log")
    root = Vertical(
        Horizontal(bots, detail, classes="top"),
        Horizontal(risk, equity, classes="middle"),
        log,
        id="bots",
        classes="view",
    )
    return View(root, [bots, detail, risk, equity, log])


def _book(look: Look) -> View:
    chart = ChartPane(look, classes="chart")
    ladder, tape = LadderPane(look, classes="ladder"), TapePane(look)
    root = Container(chart, Horizontal(ladder, tape, classes="book"), id="book", classes="view")
    return View(root, [chart, ladder, tape])


def _orders(look: Look) -> View:
    orders, fills, algos = OrdersPane(look), FillsPane(look), AlgosPane(look, classes="algos")
    lists = Container(orders, fills, classes="halves")
    root = Vertical(lists, algos, id="orders", classes="view")
    return View(root, [orders, fills, algos])


def _money(look: Look) -> View:
    positions, account = PositionsPane(look, classes="positions"), AccountPane(look)
    equity = EquityPane(look)
    root = Vertical(
        positions, Horizontal(account, equity, classes="lower"), id="money", classes="view"
    )
    return View(root, [positions, account, equity])


def _risk(look: Look) -> View:
    limits, log = LimitsPane(look), LogPane(look, classes="wide-only")
    return View(Container(limits, log, id="risk", classes="view halves"), [limits, log])


def _runs(look: Look) -> View:
    runs, run = RunsPane(look), RunPane(look, classes="wide-only")
    return View(Container(runs, run, id="runs", classes="view halves"), [runs, run])


def _incidents(look: Look) -> View:
    incidents, log = IncidentsPane(look), LogPane(look, classes="log")
    root = Container(incidents, log, id="incidents", classes="view halves")
    return View(root, [incidents, log])


def _settings(look: Look) -> View:
    settings, keys = SettingsPane(look), KeysPane(look)
    root = Container(settings, keys, id="settings", classes="view halves")
    return View(root, [settings, keys])


def _log(look: Look) -> View:
    log = LogPane(look)
    return View(Vertical(log, id="log", classes="view"), [log])


BUILDERS: dict[str, Callable[[Look], View]] = {
    "trade-wide": _trade_wide,
    "trade-narrow": _trade_narrow,
    "bots": _bots,
    "book": _book,
    "orders": _orders,
    "log": _log,
    "money": _money,
    "risk": _risk,
    "incidents": _incidents,
    "runs": _runs,
    "settings": _settings,
}
