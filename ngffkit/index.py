"""The index behind physical coordinates: pandas's, with a step that survives and friendlier `sel`.

xarray's own index on floats forgets the distance between pixels when one pixel is left, and refuses
``ds.sel(x=slice(10, 20), z=3.5, method="nearest")``, because slices take no method. This one knows
both. As a `PandasIndex` it takes part in everything xarray does with indexes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, Self, cast

import numpy as np
import pandas as pd
import xarray as xr
from xarray.core.indexing import IndexSelResult
from xarray.indexes import PandasIndex

from ngffkit.grid import PIXEL_TOLERANCE, Grid


class _AlignsWithPandas(type):
    """Makes a class of indexes align with xarray's own on the same coordinate.

    xarray aligns only indexes of one type, and tells types apart by ``==``. A subclass of
    `PandasIndex` would therefore refuse to meet one, as in ``da.reindex(x=[...])`` or in arithmetic
    with an array that has plain coordinates.
    """

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is PandasIndex

    def __hash__(cls) -> int:
        return hash(PandasIndex)


class AxisIndex(PandasIndex, metaclass=_AlignsWithPandas):
    """Evenly spaced pixel centres along one axis.

    `step` is the distance between neighbours in the unit of the axis; it is kept through slices,
    also down to a single pixel, and None once neighbours are no longer evenly spaced. `source` is
    handed on by every operation: attributes get lost in some, the index does not.
    """

    __slots__ = ("source", "step")

    def __init__(
        self,
        array: Any,
        dim: Hashable,
        coord_dtype: Any = None,
        *,
        fastpath: bool = False,
        step: float | None = None,
    ) -> None:
        super().__init__(array, dim, coord_dtype, fastpath=fastpath)
        self.step = step
        self.source: Any = None

    @classmethod
    def of(cls, grid: Grid, name: str, source: Any = None) -> Self:
        """Make the index of one axis of a grid; `source` is where the pixels came from."""
        values = pd.Index(grid.coords(name), name=name)
        made = cls(values, name, np.dtype(np.float64), step=grid.scale[grid.axis(name)])
        made.source = source
        return made

    @classmethod
    def from_variables(
        cls, variables: Mapping[Any, xr.Variable], *, options: Mapping[str, Any]
    ) -> Self:
        """Make the index of a coordinate, for `xarray.Dataset.set_xindex`."""
        made = cast("Self", super().from_variables(variables, options=options))
        made.step = spacing(made.index.to_numpy())
        return made

    def _replace(self, index: Any, dim: Any = None, coord_dtype: Any = None) -> Self:
        made = type(self)(
            index,
            self.dim if dim is None else dim,
            self.coord_dtype if coord_dtype is None else coord_dtype,
            fastpath=True,
        )
        made.step = spacing(index.to_numpy(), self.step)
        made.source = self.source
        return made

    @classmethod
    def concat(
        cls,
        indexes: Sequence[Self],
        dim: Hashable,
        positions: Iterable[Iterable[int]] | None = None,
    ) -> Self:
        """Join the indexes of pieces along their axis."""
        made = super().concat(indexes, dim, positions)
        own: Sequence[object] = indexes  # pieces may have plain indexes as well
        first = next((idx for idx in own if isinstance(idx, AxisIndex)), None)
        made.step = spacing(made.index.to_numpy(), first.step if first else None)
        made.source = first.source if first else None
        return made

    def join(self, other: Any, how: str = "inner") -> Self:
        """Join for alignment; places within a millionth of a pixel are the same place."""
        step = self.step or getattr(other, "step", None)
        if step:
            snapped = _snap(other.index, self.index, step * PIXEL_TOLERANCE)
            other = other._replace(snapped)
        made = super().join(other, how)
        made.step = spacing(made.index.to_numpy(), self.step)
        made.source = self.source
        return made

    def reindex_like(
        self, other: Any, method: str | None = None, tolerance: Any = None
    ) -> dict[Hashable, Any]:
        """Find the positions of another index's labels, with the same tolerance as `join`."""
        if method is None and self.step and self.index.is_monotonic_increasing:
            found = self.index.get_indexer(
                other.index, method="nearest", tolerance=self.step * PIXEL_TOLERANCE
            )
            return {self.dim: found}
        return super().reindex_like(other, method, tolerance)

    def equals(self, other: Any, *, exclude: frozenset[Hashable] | None = None) -> bool:
        """Tell whether both are the same places, within a millionth of a pixel."""
        if super().equals(other, exclude=exclude):
            return True
        return (
            isinstance(other, PandasIndex)
            and self.dim == other.dim
            and bool(self.step)
            and len(self.index) == len(other.index)
            and other.index.dtype.kind in "fiu"
            and bool(
                np.all(
                    np.abs(self.index.to_numpy() - other.index.to_numpy())
                    <= abs(self.step or 0) * PIXEL_TOLERANCE
                )
            )
        )

    def isel(self, indexers: Mapping[Any, Any]) -> Self | None:
        """Cut by position; a slice's step multiplies the distance between pixels."""
        indexer = indexers[self.dim]
        if not isinstance(indexer, slice):
            return cast("Self | None", super().isel(indexers))
        if indexer == slice(None):
            return self
        # every cutout comes by here, so nothing is looked up that is known
        made = type(self)(self.index[indexer], self.dim, self.coord_dtype, fastpath=True)
        stride = 1 if indexer.step is None else indexer.step
        made.step = None if self.step is None else self.step * stride
        made.source = self.source
        return made

    def sel(
        self, labels: dict[Any, Any], method: str | None = None, tolerance: Any = None
    ) -> IndexSelResult:
        """Find labels; slices take no `method`, and exact means within a millionth of a pixel."""
        name, label = next(iter(labels.items()))
        if isinstance(label, slice):
            return super().sel({name: self._widen(label)})
        exact = method is None and tolerance is None and self.step and self.index.is_unique
        if exact and _is_numeric(label):
            method, tolerance = "nearest", abs(self.step or 0) * PIXEL_TOLERANCE
        return super().sel({name: label}, method, tolerance)

    def _widen(self, cut: slice) -> slice:
        # 0.1 + 0.2 should include the pixel at 0.3
        if not self.step or not (_is_number(cut.start) or _is_number(cut.stop)):
            return cut
        slack = self.step * PIXEL_TOLERANCE
        start = cut.start - slack if _is_number(cut.start) else cut.start
        stop = cut.stop + slack if _is_number(cut.stop) else cut.stop
        return slice(start, stop, cut.step)

    def __repr__(self) -> str:
        """Say what it is."""
        return f"AxisIndex({self.index!r}, step={self.step})"


class NameIndex(PandasIndex, metaclass=_AlignsWithPandas):
    """Names along an axis, such as channels: always exact, whatever `method` is for the others.

    So ``ds.sel(c="DAPI", z=3.5, method="nearest")`` says what it means.
    """

    __slots__ = ()

    def sel(
        self, labels: dict[Any, Any], method: str | None = None, tolerance: Any = None
    ) -> IndexSelResult:
        """Find names; `method` and `tolerance` don't apply to them."""
        del method, tolerance
        return super().sel(labels)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _is_numeric(label: Any) -> bool:
    if _is_number(label):
        return True
    if isinstance(label, Mapping):
        return False
    values = label if hasattr(label, "dtype") else np.asarray(label)
    return bool(values.dtype.kind in "fiu")


def _snap(index: pd.Index, onto: pd.Index, tolerance: float) -> pd.Index:
    if not (onto.is_unique and onto.is_monotonic_increasing and len(onto)):
        return index
    found = onto.get_indexer(index, method="nearest", tolerance=abs(tolerance))
    values = np.where(found >= 0, onto.to_numpy()[found], index.to_numpy())
    return pd.Index(values, name=index.name)


def spacing(values: np.ndarray, fallback: float | None = None) -> float | None:
    """Return the distance between evenly spaced values.

    Parameters
    ----------
    values : ndarray, shape (n,)
        Positions along an axis.
    fallback : float, optional
        The step they are known to be multiples of; returned when there are fewer than two.

    Returns
    -------
    float or None
        None when they are not evenly spaced.

    Examples
    --------
    >>> spacing(np.array([1.0, 3.0, 5.0])), spacing(np.array([1.0, 3.0, 4.0]))
    (2.0, None)
    """
    if len(values) < 2 or values.dtype.kind not in "fiu":
        return fallback
    mean = float((values[-1] - values[0]) / (len(values) - 1))
    steps = np.diff(values)
    even = np.all(np.abs(steps - mean) <= abs(mean) * 1e-6 + np.spacing(np.abs(values).max()) * 4)
    if not (even and mean):
        return None
    if fallback:
        whole = round(mean / fallback) * fallback
        if abs(mean - whole) <= abs(fallback) * 1e-9:
            return whole  # the exact one, without rounding of the ends
    return mean


def axis_coords(grid: Grid, channels: Sequence[str] = (), source: Any = None) -> xr.Coordinates:
    """Return the coordinates of a grid, as xarray takes them.

    Parameters
    ----------
    grid : Grid
        Its axes get float64 pixel centres with ``units`` and ``type`` attributes.
    channels : sequence of str
        Names along the channel axis; numbers from 0 when there are none.
    source : object, optional
        Where the pixels came from; the indexes hand it on.

    Returns
    -------
    xarray.Coordinates
        One per axis.
    """
    variables: dict[str, Any] = {}
    indexes: dict[str, PandasIndex] = {}
    for axis in grid.axes:
        if axis.is_channel:
            continue
        index = AxisIndex.of(grid, axis.name, source)
        made = index.create_variables()[axis.name]
        made.attrs = {"units": axis.unit} if axis.unit else {}
        if axis.type:
            made.attrs["type"] = axis.type
        variables[axis.name], indexes[axis.name] = made, index
    for axis, size in zip(grid.axes, grid.shape, strict=True):
        if axis.is_channel:
            names = channel_names(channels, size)
            kind = PandasIndex if names.dtype.kind in "iu" else NameIndex
            named = kind(pd.Index(names, name=axis.name), axis.name, names.dtype)
            variables[axis.name] = named.create_variables()[axis.name]
            indexes[axis.name] = named
    return xr.Coordinates(variables, indexes)


def channel_names(names: Sequence[str], size: int) -> np.ndarray:
    """Return `size` names that all differ: those given, numbers for the rest."""
    if not names:
        return np.arange(size)
    out: dict[str, None] = {}
    for i in range(size):
        name = names[i] if i < len(names) else str(i)
        # labels may be missing, repeat, or be what another one was told apart by
        unique, count = name, i
        while unique in out:
            unique, count = f"{name} ({count})", count + 1
        out[unique] = None
    return np.array(list(out))
