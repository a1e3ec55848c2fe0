"""When the garbage collector works: in the engine's idle moments, and never on what stays anyway.

Left to itself it stops the engine wherever it happens to be, now and then for the time that it
takes to look at every object of every library: some 100 ms.
"""

from __future__ import annotations

import gc

_SWEEP_AFTER = 350
"""New objects that make an idle moment worth using. Left alone the interpreter waits for 700."""
_SWEEPS_PER_WIDER = 10
_WIDER_PER_WHOLE = 50


def settle_memory() -> None:
    """Once everything is loaded: what lives now is taken to live on, and never looked at again."""
    gc.collect()
    gc.freeze()


def sweep_memory() -> None:
    """With nothing to do: collect what would otherwise be collected between a tick and its order.
    Cheap while there is little."""
    young, sweeps, wider = gc.get_count()
    if young < _SWEEP_AFTER:
        return
    if sweeps <= _SWEEPS_PER_WIDER:
        gc.collect(0)
    else:
        gc.collect(1 if wider <= _WIDER_PER_WHOLE else 2)
