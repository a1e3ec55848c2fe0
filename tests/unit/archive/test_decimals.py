from __future__ import annotations

from decimal import Decimal

import pytest

from engine.domain.errors import BadInput
from engine.wire.decimals import MAX_STEPS, StepTexts, common_step


@pytest.mark.parametrize(
    ("step", "text", "steps"),
    [
        ("0.1", "61800.30", 618_003),
        ("0.01", "61837.63000000", 6_183_763),
        ("1", "1001", 1001),
        ("0.5", "12.5", 25),
        ("10", "120", 12),
        ("0.00000001", "0.00000002", 2),
        ("0.1", "0.0", 0),
    ],
)
def test_text_becomes_steps(step: str, text: str, steps: int) -> None:
    assert StepTexts("price", Decimal(step))[text] == steps


@pytest.mark.parametrize(
    "text", ["NaN", "inf", "-1", "+1", "1e5", "", ".", "5.", ".5", "1_0", " 1", "١", "0x1", "1,5"]
)
def test_what_is_not_a_plain_number_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="plain number"):
        StepTexts("price", Decimal("0.1"))[text]


def test_prices_between_ticks_are_refused() -> None:
    with pytest.raises(BadInput, match=r"multiple of the tick 0\.1"):
        StepTexts("price", Decimal("0.1"))["61800.35"]


@pytest.mark.parametrize(
    ("text", "lots"),
    [("0.000014", 1), ("0.000015", 2), ("0.000026", 3), ("0.000001", 1), ("0.000000", 0)],
)
def test_sizes_between_lots_go_to_the_nearest_but_never_to_zero(text: str, lots: int) -> None:
    texts = StepTexts("quantity", Decimal("0.00001"), rounds=True)

    assert texts[text] == lots
    assert (text in texts.off_grid) is (lots != 0)


def test_memory_is_bounded_however_many_texts_come() -> None:
    texts = StepTexts("quantity", Decimal("1"), rounds=True)
    for number in range(200_000):
        text = f"{number}.{number % 2}"
        assert texts[text] == max(number, 1 if number % 2 else 0)
        assert (text in texts.off_grid) is (number % 2 == 1)
        assert max(len(texts), len(texts.off_grid)) <= 1 << 16


def test_texts_that_are_worked_out_again_are_known_to_lie_off_the_grid() -> None:
    texts = StepTexts("quantity", Decimal("1"), rounds=True)
    for _ in range(2):
        for number in range(70_000):
            assert texts[f"{number}.1"] == max(1, number)
            assert f"{number}.1" in texts.off_grid


def test_huge_numbers_are_refused() -> None:
    with pytest.raises(BadInput, match="more than"):
        StepTexts("price", Decimal("0.1"))[str(MAX_STEPS)]


def test_common_step_is_the_largest_that_fits_all() -> None:
    assert common_step(["1.50", "2", "0.75", "0"]) == Decimal("0.25")
    assert common_step(["1.5", "3"]) == Decimal("1.5")
    assert common_step(["0", "0.00"]) is None
