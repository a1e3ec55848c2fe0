"""A world with its trader as bytes, from which any number of equal copies can be made.

A copy that is advanced gives the same bytes as the original would have: everything that decides is
part of it. Market rows are never written to, so copies share them; what the caller names as shared
(the watchdog: a thread) stays one object as well. What cannot be copied raises, here and not later.
"""

from __future__ import annotations

import io
import pickle
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engine.kernels.layout import ROW

Array = npt.NDArray[Any]

_COMPRESSION = 1
_SPARSE = 4
"""One value in so many, at most, is not zero: only these are kept."""
_LONG = 1024
"""Values; longer lists of integers are kept as differences."""


class Frozen(NamedTuple):
    packed: bytes
    shared: Sequence[object]

    @property
    def size(self) -> int:
        """Bytes that belong to it alone."""
        return len(self.packed)


def freeze(one: object, shared: Sequence[object] = ()) -> Frozen:
    """`one` as it is now. `shared`: what copies have in common with it, found by identity."""
    file = io.BytesIO()
    pickler = _Pickler(file, shared)
    pickler.dump(one)
    return Frozen(zlib.compress(file.getbuffer(), _COMPRESSION), pickler.shared)


def thaw(frozen: Frozen) -> Any:
    """A copy of what was frozen."""
    return _Unpickler(io.BytesIO(zlib.decompress(frozen.packed)), frozen.shared).load()


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, shared: Sequence[object]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self.shared = list(shared)
        self._arrays: list[Array] = []
        # By type, and not by asking about each object: these are a few among thousands.
        self.dispatch_table = {
            **{type(one): self._reduce_shared for one in shared},
            np.ndarray: self._reduce_array,
        }

    def _reduce_shared(self, one: object) -> tuple[Callable[[int], object], tuple[int]]:
        for number, known in enumerate(self.shared):
            if known is one:
                return _shared, (number,)
        raise TypeError(f"another {type(one).__name__} than the shared one")

    def _reduce_array(self, array: Array) -> tuple[Callable[..., object], tuple[object, ...]]:
        if array.dtype == ROW:
            self.shared.append(array)
            return _shared, (len(self.shared) - 1,)
        for other in self._arrays:
            if np.may_share_memory(array, other):
                raise TypeError(f"two arrays over the same memory: {array.shape}, {other.shape}")
        self._arrays.append(array)
        shape, dtype = array.shape, array.dtype.str
        flat = np.ascontiguousarray(array).reshape(-1)
        # As bits: a negative zero is not nothing.
        places = np.flatnonzero(flat.view(f"u{flat.itemsize}"))
        if len(places) * _SPARSE < len(flat):
            return _from_places, (shape, dtype, places.tobytes(), flat[places].tobytes())
        if flat.dtype == np.int64 and array.ndim == 1 and len(flat) > _LONG:
            return _from_steps, (np.diff(flat, prepend=0).tobytes(),)
        return _from_bytes, (shape, dtype, flat.tobytes())


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, shared: Sequence[object]) -> None:
        super().__init__(file)
        self._shared = shared

    def find_class(self, module: str, name: str) -> Any:
        if module == __name__ and name == _shared.__name__:
            return self._shared.__getitem__
        return super().find_class(module, name)


def _shared(number: int) -> object:
    raise NotImplementedError("its place is taken while thawing")


def _from_places(shape: tuple[int, ...], dtype: str, places: bytes, values: bytes) -> Array:
    array = np.zeros(shape, dtype)
    array.reshape(-1)[np.frombuffer(places, np.intp)] = np.frombuffer(values, dtype)
    return array


def _from_steps(steps: bytes) -> Array:
    return np.cumsum(np.frombuffer(steps, np.int64))


def _from_bytes(shape: tuple[int, ...], dtype: str, content: bytes) -> Array:
    return np.frombuffer(content, dtype).reshape(shape).copy()
