"""The user stream: subscribed, watched, subscribed again; and questions in its place while it
fails.

The socket belongs to ccxt; its messages come through the tap, synchronously. Three things end a
subscription: the socket is lost, the venue says so, or nothing has been heard for too long. Each
time the link goes down in the sink's eyes, and what happened until it is up again is found by
asking (the runtime reconciles at every UP).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

import numpy as np

from engine.core.clock import NS_PER_SECOND, Clock
from engine.domain.claims import AccountNews, OrderClaim
from engine.domain.text import clean
from engine.ports.live import AccountSink, FaultKind, LinkState, UserLinkChanged, VenueFault
from engine.venues.ccxt_client import CcxtClient, silence_ns_max
from engine.venues.dialect import Dialect, StreamEnded
from engine.venues.fields import Unreadable
from engine.venues.polling import Poller

log = logging.getLogger(__name__)

BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 30.0
KEY_BACKOFF_S = 20.0
"""A key that is refused stays refused: asking more often only earns a ban."""
FAILURES_BEFORE_POLLING = 2
CALM_S = 60.0
"""A stream that has been up for so long starts anew with its failures. One that ends again sooner
does not: every UP is a full reconciliation, so it must not come every second."""
POLL_EVERY_S = 3.0
KEEP_ALIVE_EVERY_S = 20 * 60.0
WATCH_EVERY_S = 1.0
ECHO_WITHIN_S = 10.0
"""An order that was placed is heard of on the stream within this, or the stream is dead."""
HEARD_MAX = 1_000


STREAM_FAILS = "the user stream fails: orders are asked for"
NO_STREAM = "this venue's stream is not read: orders are asked for"


class UserStream:
    """One subscription and its supervision. Implements `Tap`."""

    def __init__(
        self,
        client: CcxtClient,
        dialect: Dialect,
        sink: AccountSink,
        clock: Clock,
        rng: np.random.Generator,
    ) -> None:
        self._client = client
        self._dialect = dialect
        self._sink = sink
        self._clock = clock
        self._rng = rng
        self._poller = Poller(dialect, self._deliver)
        self._state = LinkState.DOWN
        self._lost = asyncio.Event()
        self._lost_reason = ""
        self._last_frame_ns = 0
        self._heard_until_ns = 0
        """The venue's time until which nothing was missed."""
        self._failures = 0
        """Attempts to subscribe again since the stream was last calm, whatever became of them."""
        self._up_ns: int | None = None
        """Since when the stream has been up; None while it is not."""
        self._echoes_due: dict[str, int] = {}
        self._heard: dict[str, None] = {}
        """Orders that the stream has told of, the latest last."""
        self._stay_away_s = 0.0
        """How long polling pauses at least, after a limit or a refused key."""
        self._task: asyncio.Task[None] | None = None

    # -- owner's side --------------------------------------------------------------------------

    async def start(self) -> None:
        """Subscribe for the first time; VenueFault when that fails, with nothing left running."""
        self._client.tap = self
        self._tell(LinkState.CONNECTING)
        has_stream = self._client.quirks.has_user_stream
        self._heard_until_ns = self._venue_ns()
        try:
            await (self._subscribe() if has_stream else self._poller.poll(self._heard_until_ns))
        except (VenueFault, Unreadable) as fault:
            await self._client.close_sockets()
            self._tell(LinkState.DOWN, fault.words, _kind_of(fault))
            if isinstance(fault, VenueFault):
                raise
            raise VenueFault(FaultKind.MALFORMED, fault.words) from None
        if has_stream:
            self._become_up()
        else:
            self._tell(LinkState.POLLING, NO_STREAM)
        work = self._run() if has_stream else self._poll_for_ever()
        self._task = asyncio.create_task(work, name=f"{self._client.quirks.venue}.user")
        self._task.add_done_callback(_announce_death)

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        self._client.tap = None
        await self._client.close_sockets()
        self._tell(LinkState.DOWN, "closed")

    def expect_echo(self, venue_order_id: str) -> None:
        """The venue has taken this order: the stream will tell of it, or it is not alive."""
        # The stream is often faster than the answer to the request.
        if self._state is LinkState.UP and venue_order_id not in self._heard:
            due_ns = self._clock.monotonic_ns() + int(ECHO_WITHIN_S * NS_PER_SECOND)
            self._echoes_due.setdefault(venue_order_id, due_ns)

    # -- the tap -------------------------------------------------------------------------------

    def on_frame(self) -> None:
        self._last_frame_ns = self._clock.monotonic_ns()

    def on_message(self, message: object) -> None:
        told = self._dialect.read_event(message)
        if isinstance(told, StreamEnded):
            self._lose(told.reason)
        else:
            self._deliver(told)

    def on_socket_lost(self, url: str, reason: str) -> None:
        self._lose(reason)

    def _deliver(self, news: Sequence[AccountNews]) -> None:
        received_ns = self._clock.now_ns()
        for item in news:
            if isinstance(item, OrderClaim):
                self._echoes_due.pop(item.venue_order_id, None)
                self._heard[item.venue_order_id] = None
                if len(self._heard) > HEARD_MAX:
                    del self._heard[next(iter(self._heard))]
            self._sink.on_account(item, received_ns)

    # -- supervision ---------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            try:
                reason = await self._until_lost()
                self._heard_until_ns = self._venue_ns()
                self._tell(LinkState.DOWN, reason)
                await self._client.close_sockets()
                await self._resubscribe()
            except Exception:
                # A mistake of ours, or of ccxt's, must not leave a link that looks alive.
                log.critical("%s: user stream", self._client.quirks.venue, exc_info=True)
                self._lose("its supervision failed")
                await self._clock.sleep(int(BACKOFF_MAX_S * NS_PER_SECOND))

    async def _until_lost(self) -> str:
        """Watch the stream that is up. Returns why it no longer is."""
        renewed_ns = self._clock.monotonic_ns()
        while not self._lost.is_set():
            with contextlib.suppress(TimeoutError):  # Nothing lost so far: time to look around.
                async with asyncio.timeout(WATCH_EVERY_S):
                    await self._lost.wait()
                    break
            now_ns = self._clock.monotonic_ns()
            silent_ns = now_ns - self._last_frame_ns
            if silent_ns > silence_ns_max(self._client.quirks):
                return f"nothing heard for {silent_ns // NS_PER_SECOND} s"
            if any(due_ns < now_ns for due_ns in self._echoes_due.values()):
                return "an order was taken, and the stream does not tell of it"
            if now_ns - renewed_ns > KEEP_ALIVE_EVERY_S * NS_PER_SECOND:
                renewed_ns = now_ns
                try:
                    await self._dialect.keep_alive()
                except (VenueFault, Unreadable) as fault:
                    return f"the stream could not be kept alive: {fault.words}"
        return self._lost_reason

    async def _resubscribe(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._up_ns is not None and now_ns - self._up_ns >= CALM_S * NS_PER_SECOND:
            self._failures = 0
        self._up_ns = None
        not_before_s = 0.0
        while True:
            await self._wait_or_poll(self._failures, not_before_s)
            self._failures += 1
            if self._state is not LinkState.POLLING:
                self._tell(LinkState.CONNECTING)
            try:
                await self._subscribe()
            except (VenueFault, Unreadable) as fault:
                not_before_s = self._earliest_s(fault)
                await self._client.close_sockets()
                if self._state is not LinkState.POLLING:
                    self._tell(LinkState.DOWN, fault.words, _kind_of(fault))
            else:
                self._become_up()
                return

    def _become_up(self) -> None:
        self._up_ns = self._clock.monotonic_ns()
        self._tell(LinkState.UP)

    async def _subscribe(self) -> None:
        self._lost.clear()
        self._lost_reason = ""
        self._echoes_due.clear()
        self._last_frame_ns = self._clock.monotonic_ns()
        await self._dialect.subscribe()

    async def _wait_or_poll(self, failures: int, not_before_s: float) -> None:
        """Wait for the next attempt; once the stream has failed repeatedly, ask meanwhile."""
        backoff_s = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2 ** min(failures, 32))
        wait_s = max(backoff_s * float(self._rng.uniform(0.5, 1.0)), not_before_s)
        may_poll = failures >= FAILURES_BEFORE_POLLING and not_before_s == 0
        until_ns = self._clock.monotonic_ns() + int(wait_s * NS_PER_SECOND)
        while (left_ns := until_ns - self._clock.monotonic_ns()) > 0:
            if may_poll:
                await self._poll()
            step_s = POLL_EVERY_S * float(self._rng.uniform(0.9, 1.1)) if may_poll else wait_s
            step_s = max(step_s, self._stay_away_s)
            await self._clock.sleep(min(left_ns, int(step_s * NS_PER_SECOND)))

    async def _poll_for_ever(self) -> None:
        """The whole of it at a venue without a stream that we read."""
        while True:
            step_s = POLL_EVERY_S * float(self._rng.uniform(0.9, 1.1))
            await self._clock.sleep(int(max(step_s, self._stay_away_s) * NS_PER_SECOND))
            await self._poll()

    async def _poll(self) -> None:
        self._stay_away_s = 0.0
        try:
            since_ns = self._heard_until_ns
            asked_ns = self._venue_ns()
            await self._poller.poll(since_ns)
            self._heard_until_ns = asked_ns
        except (VenueFault, Unreadable) as fault:
            self._stay_away_s = self._earliest_s(fault)
            self._tell(LinkState.DOWN, fault.words, _kind_of(fault))
        else:
            is_failing = self._client.quirks.has_user_stream
            self._tell(LinkState.POLLING, STREAM_FAILS if is_failing else NO_STREAM)

    def _earliest_s(self, fault: VenueFault | Unreadable) -> float:
        """How long to stay away at least after `fault`."""
        if not isinstance(fault, VenueFault):
            return 0.0
        if fault.kind is FaultKind.KEY:
            return KEY_BACKOFF_S
        return max(0.0, (fault.until_ns - self._clock.now_ns()) / NS_PER_SECOND)

    def _lose(self, reason: str) -> None:
        if not self._lost.is_set():
            self._lost_reason = reason
            self._lost.set()

    def _tell(self, state: LinkState, reason: str = "", kind: FaultKind | None = None) -> None:
        if state is self._state and state is not LinkState.DOWN:
            return
        self._state = state
        self._sink.on_user_link(UserLinkChanged(state=state, reason=clean(reason), kind=kind))

    def _venue_ns(self) -> int:
        return self._client.venue_ns()


def _kind_of(fault: VenueFault | Unreadable) -> FaultKind:
    return fault.kind if isinstance(fault, VenueFault) else FaultKind.MALFORMED


def _announce_death(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.critical("the user stream's supervision failed", exc_info=task.exception())
