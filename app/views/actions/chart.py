"""The chart: scroll, zoom, time frame, indicators."""

from __future__ import annotations

from app.views.actions.base import Action

_CHART = ("chart",)
_FROM_LADDER = ("chart", "ladder")
"""Of use where the eyes are on the ladder, too."""
_SHOWN = "changes how this screen draws the chart"


CHART = (
    Action("chart_left", _CHART, "back", "scroll back in time", view_only=_SHOWN),
    Action("chart_right", _CHART, "forward", "scroll forward", view_only=_SHOWN),
    Action("zoom_in", _CHART, "zoom in", "wider candles", view_only=_SHOWN),
    Action("zoom_out", _CHART, "zoom out", "narrower candles", view_only=_SHOWN),
    Action("chart_live", _CHART, "live", "jump to the newest bar", view_only=_SHOWN),
    Action("tf_next", _FROM_LADDER, "longer bars", "next time frame", view_only=_SHOWN),
    Action("tf_prev", _FROM_LADDER, "shorter bars", "previous time frame", view_only=_SHOWN),
    Action(
        "chart_studies",
        _CHART,
        "indicators",
        "indicators: none, EMA, EMA and VWAP, Bollinger bands as well",
        view_only=_SHOWN,
    ),
)
