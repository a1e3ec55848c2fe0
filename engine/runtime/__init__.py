"""The same parts put together: live, paper, backtest differ only in clock, feed and venue."""
