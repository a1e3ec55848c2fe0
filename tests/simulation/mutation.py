"""Builds that are broken on purpose: one line of the real source changed, for the time of a block.

A mutation names the text that it changes. When that text is no longer there, it fails loudly
instead of testing nothing.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any


@contextmanager
def edited(function: Any, old: str, new: str) -> Iterator[None]:
    """`function` (of a module, or of a class in it) with `old` read as `new`."""
    module = sys.modules[function.__module__]
    *owners, name = function.__qualname__.split(".")
    owner: Any = module
    for step in owners:
        owner = getattr(owner, step)
    source = textwrap.dedent(inspect.getsource(function))
    found = source.count(old)
    if found != 1:
        raise AssertionError(f"{function.__qualname__} holds {old!r} {found} times: mend the list")
    made: dict[str, Any] = {}
    program = compile(source.replace(old, new), f"<{name}, broken>", "exec")
    exec(program, module.__dict__, made)
    with replaced(owner, name, made[name]):
        yield


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Another value of an attribute or of a key."""
    if isinstance(owner, dict):
        before = owner[name]
        owner[name] = value
    else:
        before = inspect.getattr_static(owner, name)
        setattr(owner, name, value)
    try:
        yield
    finally:
        if isinstance(owner, dict):
            owner[name] = before
        else:
            setattr(owner, name, before)


@contextmanager
def all_of(*parts: Any) -> Iterator[None]:
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(part)
        yield
