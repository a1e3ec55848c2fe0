"""The chart: scroll, zoom, time frame."""

from __future__ import annotations

from app.views.actions.base import Action

_CHART = ("chart",)


CHART = (
    Action("chart_left", _CHART, "back", "scroll back in time"),
    Action("chart_right", _CHART, "forward", "scroll forward"),
    Action("zoom_in", _CHART, "zoom in", "wider candles"),
    Action("zoom_out", _CHART, "zoom out", "narrower candles"),
    Action("chart_live", _CHART, "live", "jump to the newest bar"),
    Action("tf_next", _CHART, "longer bars", "next time frame"),
    Action("tf_prev", _CHART, "shorter bars", "previous time frame"),
)
