"""Which fault strikes which event: rules as data, and the desk that counts events against them.

Nothing here reads a clock or a random source: the n-th event of a rule and a share of chance are a
function of (seed, rule, n), so the same traffic meets the same faults.
"""

from __future__ import annotations

import fnmatch
import hashlib
from collections import Counter
from collections.abc import Sequence

import msgspec

from engine.drill.faults.catalogue import CATALOGUE, FaultKind, Seam


class FaultRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When and where one kind of fault strikes.

    Of `at`, `every` and `rate` at most one is given; none means every event (a state: once, at
    `from_s`). Times are seconds since the faults were switched on.
    """

    kind: FaultKind
    on: str = ""
    """Globs, joined by `|`, over the seam's subject; "" is the fault's default."""
    with_request: str = ""
    """For a VENUE fault that begins with a request: globs over `METHOD /path`."""
    at: tuple[int, ...] = ()
    """Numbers of the events it strikes, from 1."""
    every: int = 0
    rate: float = 0.0
    """The chance of each event, 0 to 1."""
    from_s: float = 0.0
    until_s: float | None = None
    times: int = 0
    """At most so often; 0: no limit."""
    for_s: float | None = None
    amount: float | None = None

    @property
    def seam(self) -> Seam:
        return CATALOGUE[self.kind].seam

    @property
    def duration_s(self) -> float:
        return CATALOGUE[self.kind].for_s if self.for_s is None else self.for_s

    @property
    def size(self) -> float:
        return CATALOGUE[self.kind].amount if self.amount is None else self.amount

    @property
    def subject(self) -> str:
        return self.on or CATALOGUE[self.kind].default_subject

    def words(self) -> str:
        return f"{self.kind.value}: {CATALOGUE[self.kind].words}"


class FaultPlan(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    rules: tuple[FaultRule, ...]
    seed: int = 1
    words: str = ""


NO_FAULTS = FaultPlan(name="none", rules=())


class Strike(msgspec.Struct, frozen=True, kw_only=True):
    """One fault that happens to one event."""

    rule: FaultRule
    subject: str
    index: int
    """Which rule of its plan."""
    number: int
    """Which event of its rule it is, from 1."""

    @property
    def kind(self) -> FaultKind:
        return self.rule.kind


class FaultDesk:
    """Counts events against the rules of one plan. Belongs to one thread."""

    def __init__(self, plan: FaultPlan) -> None:
        self.plan = plan
        self.struck: Counter[FaultKind] = Counter()
        self._rules: dict[Seam, list[tuple[int, FaultRule]]] = {}
        self._counts = [0] * len(plan.rules)
        self._strikes = [0] * len(plan.rules)
        self._off = False
        for index, rule in enumerate(plan.rules):
            self._rules.setdefault(rule.seam, []).append((index, rule))

    def switch_off(self) -> None:
        """No fault strikes any more; states that hold are their holders' to end."""
        self._off = True

    @property
    def is_off(self) -> bool:
        return self._off

    def has(self, seam: Seam) -> bool:
        return seam in self._rules

    def strike(self, seam: Seam, subject: str, now_s: float) -> Strike | None:
        """The fault of this event: that of the first rule which it meets. Every rule that looks at
        the subject counts the event, also when another one strikes."""
        if self._off:
            return None
        found: Strike | None = None
        for index, rule in self._rules.get(seam, ()):
            if _matches(rule.subject, subject):
                strike = self._count(index, rule, subject, now_s)
                found = found or strike
        if found is not None:
            self._note(found)
        return found

    def states_due(self, now_s: float, request: str = "") -> list[Strike]:
        """States that begin now: by the clock when `request` is "", else with that request."""
        if self._off:
            return []
        due = []
        for index, rule in self._rules.get(Seam.VENUE, ()):
            if not request and not rule.with_request:
                strike = self._by_clock(index, rule, now_s)
            elif request and rule.with_request and _matches(rule.with_request, request):
                strike = self._count(index, rule, rule.subject, now_s)
            else:
                continue
            if strike is not None:
                self._note(strike)
                due.append(strike)
        return due

    def _by_clock(self, index: int, rule: FaultRule, now_s: float) -> Strike | None:
        """A state without a request begins at `from_s`, and again each `every` seconds."""
        begun = self._strikes[index]
        if begun and (not rule.every or (rule.times and begun >= rule.times)):
            return None
        if now_s < rule.from_s + begun * rule.every:
            return None
        if rule.until_s is not None and now_s >= rule.until_s:
            return None
        return Strike(rule=rule, subject=rule.subject, index=index, number=begun + 1)

    def _count(self, index: int, rule: FaultRule, subject: str, now_s: float) -> Strike | None:
        if now_s < rule.from_s or (rule.until_s is not None and now_s >= rule.until_s):
            return None
        self._counts[index] = number = self._counts[index] + 1
        if rule.times and self._strikes[index] >= rule.times:
            return None
        if rule.at:
            hits = number in rule.at
        elif rule.every:
            hits = number % rule.every == 0
        elif rule.rate:
            hits = chance(self.plan.seed, index, number) < rule.rate
        else:
            hits = True
        return Strike(rule=rule, subject=subject, index=index, number=number) if hits else None

    def _note(self, strike: Strike) -> None:
        self._strikes[strike.index] += 1
        self.struck[strike.kind] += 1


def chance(seed: int, stream: int, number: int) -> float:
    """A share from 0 up to, but not, 1: the `number`-th of a stream."""
    digest = hashlib.blake2b(f"{seed}/{stream}/{number}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big") / (1 << 56)


def _matches(globs: str, subject: str) -> bool:
    return any(fnmatch.fnmatchcase(subject, glob) for glob in globs.split("|"))


def kinds_of(rules: Sequence[FaultRule]) -> frozenset[FaultKind]:
    return frozenset(rule.kind for rule in rules)
