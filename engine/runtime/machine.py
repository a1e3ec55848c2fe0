"""What this process costs the machine."""

from __future__ import annotations

import ctypes
import gc
import os
import sys


def resident_mb() -> int:
    """Memory resident now, in MB; the peak where the system does not tell the present figure, and
    0 where it tells neither (Windows)."""
    if sys.platform == "win32":
        return 0
    import resource

    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            pages = int(statm.read().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak // (1_000_000 if sys.platform == "darwin" else 1_000)


def give_back_memory() -> None:
    """Return what a burst of work (an import, say) has freed to the system, where libc can.

    glibc keeps freed memory of many small objects for itself; on a small machine that is a
    quarter of what the whole program needs.
    """
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
