"""What empyrical-reloaded 0.7.1 and quantstats 0.0.86 say of the series in `metric_series`.

They need other versions than Pilothouse, so they live in an environment of their own, and their
answers are kept in `tests/unit/research/metric_oracles.json`. To make it anew:

    python -m venv oracles && oracles/bin/pip install empyrical-reloaded==0.7.1 quantstats==0.0.86
    oracles/bin/python -m tests.support.metric_oracles > tests/unit/research/metric_oracles.json
"""

from __future__ import annotations

import json
import warnings

from tests.support.metric_series import SEEDS, series

DAYS = 365


def answers(seed: int) -> dict[str, float]:
    """Name of the oracle and of our figure -> its value. Fractions, as ours."""
    import empyrical as e
    import pandas as pd
    import quantstats.stats as q

    made = series(seed)
    index = pd.date_range("2024-01-01", periods=len(made.returns), freq="D")
    returns = pd.Series(made.returns, index=index)
    market = pd.Series(made.market, index=index)
    prices = (1 + returns).cumprod()
    prices = pd.concat([pd.Series([1.0], index=[index[0] - pd.Timedelta(days=1)]), prices])
    found = {
        "E total": e.cum_returns_final(returns),
        "E annual growth": e.cagr(returns, annualization=DAYS),
        "E volatility": e.annual_volatility(returns, annualization=DAYS),
        "E downside": e.downside_risk(returns, annualization=DAYS),
        "E drawdown": -e.max_drawdown(returns),
        "E value at risk": e.value_at_risk(returns),
        "E expected shortfall": e.conditional_value_at_risk(returns),
        "E tail ratio": e.tail_ratio(returns),
        "E sharpe": e.sharpe_ratio(returns, annualization=DAYS),
        "E sortino": e.sortino_ratio(returns, annualization=DAYS),
        "E omega": e.omega_ratio(returns),
        "E calmar": e.calmar_ratio(returns, annualization=DAYS),
        "E beta": e.beta(returns, market),
        "E alpha compounded": e.alpha(returns, market, annualization=DAYS),
        "E information ratio of a day": e.excess_sharpe(returns, market),
        "Q total": q.comp(returns),
        "Q volatility": q.volatility(returns, periods=DAYS),
        "Q drawdown": -q.max_drawdown(prices),
        "Q skewness": q.skew(returns),
        "Q kurtosis": q.kurtosis(returns),
        "Q tail ratio": q.tail_ratio(returns),
        "Q sharpe": q.sharpe(returns, periods=DAYS),
        "Q sortino": q.sortino(returns, periods=DAYS),
        "Q omega": q.omega(returns, periods=DAYS),
        "Q gain to pain": q.gain_to_pain_ratio(returns),
        "Q best": q.best(returns),
        "Q worst": q.worst(returns),
        "Q best month": q.best(returns, aggregate="ME"),
        "Q worst month": q.worst(returns, aggregate="ME"),
        "Q ulcer of n - 1": q.ulcer_index(returns),
        "Q total over beta": q.treynor_ratio(returns, market, periods=DAYS),
        "Q profit factor": q.profit_factor(returns),
        "Q payoff": q.payoff_ratio(returns),
        "Q hit rate": q.win_rate(returns),
        "Q kelly": q.kelly_criterion(returns),
        "Q losses in a row": q.consecutive_losses(returns),
    }
    return {name: float(value) for name, value in found.items()}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    print(json.dumps([answers(seed) for seed in SEEDS], indent=1))
