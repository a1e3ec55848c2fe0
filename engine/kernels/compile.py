"""The one place that says how kernels are compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile with a disk cache, IEEE arithmetic (no fastmath), no threads, the GIL released.

    The plain function stays reachable as `.py_func`; tests hold the two against each other.
    """
    return cast(F, numba.njit(cache=True, error_model="numpy", nogil=True)(function))
