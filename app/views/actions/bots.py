"""Bots: pause, take over, give back, stop."""

from __future__ import annotations

from app.views import announce, rules
from app.views.actions.base import Action, Risk
from app.views.viewstate import ViewState
from engine.domain.events import Helm

_BOTS = ("bots",)


def _pause_or_resume(view: ViewState) -> str:
    bot = view.bot
    waits = bot is not None and bot.helm in (Helm.PAUSED, Helm.STOPPED)
    return "bot_resume" if waits else ""


BOTS = (
    Action(
        "bot_pause",
        _BOTS,
        "pause",
        "pause the selected bot; paused: resume it (asks)",
        Risk.REDUCE,
        why_not=rules.can_pause,
        becomes=_pause_or_resume,
        shell="pause --bot ID",
    ),
    Action(
        "bot_resume",
        _BOTS,
        "resume",
        "resume the selected bot",
        taps=2,
        why_not=rules.can_resume,
        announce=announce.bot_resume,
        is_keyless=True,
        shell="resume --bot ID",
    ),
    Action(
        "bot_take",
        _BOTS,
        "take",
        "take over position and orders of the selected bot (it only watches)",
        Risk.REDUCE,
        taps=2,
        why_not=rules.can_take,
        announce=announce.bot_take,
        shell="take --bot ID",
    ),
    Action(
        "bot_return",
        _BOTS,
        "give",
        "give position and orders back to the bot",
        Risk.INCREASE,
        taps=2,
        why_not=rules.can_give,
        announce=announce.bot_return,
        shell="give --bot ID",
    ),
    Action(
        "bot_stop",
        _BOTS,
        "stop",
        "stop the bot after cancelling its orders",
        Risk.REDUCE,
        taps=2,
        why_not=rules.can_stop_bot,
        announce=announce.bot_stop,
        shell="kill --bot ID",
    ),
    Action(
        "bot_edit",
        _BOTS,
        "edit",
        "edit the parameters of the selected bot (the engine checks them)",
        why_not=rules.has_bot,
        shell="bots edit ID --param NAME=VALUE",
    ),
    Action(
        "bot_detail",
        _BOTS,
        "detail",
        "parameters, helm and last error of the selected bot",
        why_not=rules.has_bot,
        shell="bots --bot ID",
    ),
)
