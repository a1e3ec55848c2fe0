"""Frame flow control, with and without the private names it needs."""

from tests.tui.harness import an_app, at_terminal
from ui_tui import inside
from ui_tui.flow import FrameFlow

S = 1_000_000_000


class FakeQueue:
    def __init__(self) -> None:
        self.size = 0

    def qsize(self) -> int:
        return self.size


class FakeWriter:
    def __init__(self) -> None:
        self._queue = FakeQueue()


class FakeDriver:
    def __init__(self) -> None:
        self.written: list[str] = []
        self._writer_thread = FakeWriter()

    def write(self, text: str) -> None:
        self.written.append(text)


class FakeApp:
    is_headless = False

    def __init__(self) -> None:
        self._driver = FakeDriver()


def a_flow() -> tuple[FrameFlow, FakeApp]:
    app = FakeApp()
    return FrameFlow(app), app  # type: ignore[arg-type]


def test_two_frames_may_be_under_way() -> None:
    frames, app = a_flow()
    for _ in range(2):
        assert frames.is_clear(S)
        frames.painted(S)
    assert not frames.is_clear(S)
    frames.answered(S + 40_000_000)
    assert frames.is_clear(S)
    assert frames.lag_ms == 40
    assert app._driver.written == ["\x1b[6n"] * 2


def test_a_full_writer_queue_holds_frames_back() -> None:
    frames, app = a_flow()
    app._driver._writer_thread._queue.size = 5
    assert not frames.is_clear(S)


def test_a_terminal_that_never_answers_gets_plain_frames() -> None:
    frames, app = a_flow()
    now_ns = S
    for _ in range(10):
        while frames.is_clear(now_ns) and len(app._driver.written) < 50:
            frames.painted(now_ns)
            if len(app._driver.written) == 6:
                break
        now_ns += 11 * S
    assert frames.is_clear(now_ns)
    assert len(app._driver.written) <= 6


def test_a_stalled_terminal_is_waited_for() -> None:
    """Its buffer is full, so the writer's queue grows: nothing more is sent into the stall."""
    frames, app = a_flow()
    frames.painted(S)
    frames.answered(S)
    frames.painted(S)
    frames.painted(S)
    app._driver._writer_thread._queue.size = 6
    assert not frames.is_clear(S + 60 * S)
    app._driver._writer_thread._queue.size = 0
    frames.answered(S + 60 * S)
    assert frames.is_clear(S + 60 * S)


def test_a_lost_answer_does_not_freeze_the_screen() -> None:
    frames, _ = a_flow()
    frames.painted(S)
    frames.answered(S)
    frames.painted(S)
    frames.painted(S)
    assert not frames.is_clear(5 * S)
    assert frames.is_clear(7 * S)


def test_without_the_private_names_there_is_no_control() -> None:
    class Bare:
        is_headless = False

    frames = FrameFlow(Bare())  # type: ignore[arg-type]
    for _ in range(5):
        assert frames.is_clear(S)
        frames.painted(S)


async def test_a_headless_app_needs_no_answers() -> None:
    async with at_terminal() as person:
        for _ in range(5):
            await person.wait(100)
        assert person.app._flow.is_clear(person.clock.monotonic_ns())
    assert not inside.write_raw(an_app(), "x")
