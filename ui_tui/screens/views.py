"""The five views as containers of panes, for narrow (80x24) and wide (160x45) terminals.

View 1 is laid out twice because the two sizes place different panes; the others only turn their
containers, which app.tcss does.
"""

from __future__ import annotations

from textual.containers import Container, Horizontal, Vertical
from textual.widget import Widget

from ui_tui.look import Look
from ui_tui.widgets.botdetail import BotDetailPane
from ui_tui.widgets.bots import BotsPane
from ui_tui.widgets.chart import ChartPane
from ui_tui.widgets.equity import EquityPane
from ui_tui.widgets.fills import FillsPane
from ui_tui.widgets.ladder import LadderPane
from ui_tui.widgets.log import LogPane
from ui_tui.widgets.orders import OrdersPane
from ui_tui.widgets.positions import PositionsPane
from ui_tui.widgets.risk import RiskPane
from ui_tui.widgets.tape import TapePane


def trade_wide(look: Look) -> Widget:
    return Vertical(
        Horizontal(
            ChartPane(look),
            LadderPane(look, classes="ladder"),
            Vertical(TapePane(look), FillsPane(look), classes="prints"),
            classes="top",
        ),
        Horizontal(
            BotsPane(look),
            PositionsPane(look, classes="positions"),
            OrdersPane(look, classes="orders"),
            classes="middle",
        ),
        RiskPane(look, classes="line"),
        LogPane(look, classes="log"),
        id="trade-wide",
        classes="view",
    )


def trade_narrow(look: Look) -> Widget:
    return Vertical(
        Horizontal(
            LadderPane(look, classes="ladder"),
            Vertical(
                BotsPane(look, classes="bots"),
                OrdersPane(look, classes="orders"),
                TapePane(look),
                classes="side",
            ),
            classes="top",
        ),
        RiskPane(look, classes="line"),
        LogPane(look, classes="line"),
        id="trade-narrow",
        classes="view",
    )


def bots(look: Look) -> Widget:
    return Vertical(
        Horizontal(BotsPane(look), BotDetailPane(look, classes="wide-only"), classes="top"),
        Horizontal(RiskPane(look), EquityPane(look, classes="wide-only"), classes="middle"),
        LogPane(look, classes="log"),
        id="bots",
        classes="view",
    )


def book(look: Look) -> Widget:
    return Container(
        ChartPane(look, classes="chart"),
        Horizontal(LadderPane(look, classes="ladder"), TapePane(look), classes="book"),
        id="book",
        classes="view",
    )


def orders(look: Look) -> Widget:
    return Vertical(
        Container(OrdersPane(look), FillsPane(look), classes="top"),
        PositionsPane(look, classes="positions"),
        id="orders",
        classes="view",
    )


def log(look: Look) -> Widget:
    return Vertical(LogPane(look), id="log", classes="view")


def all_views(look: Look) -> list[Widget]:
    makers = (trade_wide, trade_narrow, bots, book, orders, log)
    return [make(look) for make in makers]
