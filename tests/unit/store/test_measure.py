from __future__ import annotations

from pathlib import Path

from engine.store.measure import measure_commits


def test_figures_of_a_few_commits_are_plausible(tmp_path: Path) -> None:
    figures = measure_commits(tmp_path, writers=2, rows=10)
    assert (figures.writers, figures.rows) == (2, 10)
    assert 0 < figures.p50_ms <= figures.p99_ms <= figures.max_ms
    assert figures.rows_per_s > 0
