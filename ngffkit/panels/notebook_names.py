"""The arrays of a notebook, by their names: what there is, and a line on each."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ngffkit.errors import NgffError
from ngffkit.planning.options import about

#: Kinds of pixels that can be written: bool, whole numbers, floating point.
_PIXELS = "biuf"

#: What holds arrays, by the package that its type comes from.
_KINDS: Mapping[tuple[str, str], str] = {
    ("xarray", "DataArray"): "DataArray",
    ("xarray", "Dataset"): "Dataset",
    ("xarray", "DataTree"): "DataTree",
    ("dask", "Array"): "dask array",
    ("numpy", "ndarray"): "NumPy array",
}


@dataclass(frozen=True, slots=True)
class Thing:
    """What is known of an array of the notebook without touching its pixels.

    Parameters
    ----------
    name : str
        Its name in the notebook.
    kind : str
        ``NumPy array``, ``dask array``, ``DataArray``, ``Dataset`` or ``DataTree``.
    sizes : str
        Its axes and their sizes: ``z 64, y 512, x 512``.
    dtype : str
        Type of its pixels.
    nbytes : str
        Size of its pixels.
    held : str
        Where they are: in memory, or still to be computed or read.
    coords : str
        What is known of their positions.
    """

    name: str
    kind: str
    sizes: str
    dtype: str
    nbytes: str
    held: str
    coords: str

    def to_json(self) -> dict[str, str]:
        """Return its fields as a JSON object."""
        return asdict(self)


def notebook() -> dict[str, Any]:
    """Return the names of the notebook that this runs in; none outside of one."""
    found = sys.modules.get("IPython")
    shell = found.get_ipython() if found is not None else None
    return {} if shell is None else dict(shell.user_ns)


def kind_of(value: Any) -> str:
    """Return what kind of array something is, empty when it is none.

    Examples
    --------
    >>> import numpy as np
    >>> kind_of(np.zeros((2, 2))), kind_of([[1, 2]])
    ('NumPy array', '')
    """
    for base in type(value).__mro__:
        package = base.__module__.split(".", 1)[0]
        if kind := _KINDS.get((package, base.__name__)):
            return kind
    return ""


def variables_of(ds: Any) -> tuple[str, ...]:
    """Return the variables of a Dataset that could be images; such as have a text as their name."""
    named = ((name, var) for name, var in ds.data_vars.items() if isinstance(name, str))
    return tuple(name for name, var in named if _is_image(var))


def choice_of(ds: Any) -> str:
    """Return the variable of a Dataset that is taken where nobody says; empty if none is."""
    found = variables_of(ds)
    usual = [name for name in ("image", "labels") if name in found]
    if usual:
        return usual[0]
    return found[0] if len(found) == 1 else ""


def things(names: Mapping[str, Any]) -> list[Thing]:
    """Return what could be written, in the order of the notebook.

    Parameters
    ----------
    names : Mapping
        Names and values; those that begin with an underscore don't count.

    Examples
    --------
    >>> import numpy as np
    >>> (found,) = things({"volume": np.zeros((4, 8, 8), "u1"), "path": "a.zarr", "_": np.ones(9)})
    >>> found.name, found.sizes, found.nbytes, found.held
    ('volume', '4 × 8 × 8', '256 B', 'in memory')
    """
    out = []
    for name, value in names.items():
        if name.startswith("_") or not (kind := kind_of(value)):
            continue
        try:
            shown = _pixels(value, kind)
            if shown is not None and _is_image(shown):
                out.append(_thing(name, kind, value, shown))
        except Exception:  # noqa: BLE001, S112 - an odd object of others must not hide the rest
            continue
    return out


def _pixels(value: Any, kind: str) -> Any:
    """Return the array to describe; None when there is none."""
    if kind == "DataTree":
        from ngffkit import resolve

        try:
            return resolve.array_of(value)
        except (NgffError, ValueError):
            return None  # no image, or several: nothing that could be written
    if kind == "Dataset":
        found = choice_of(value) or next(iter(variables_of(value)), "")
        return value[found] if found else None
    return value


def _is_image(value: Any) -> bool:
    return value.ndim >= 2 and value.dtype.kind in _PIXELS and 0 not in value.shape


def _thing(name: str, kind: str, value: Any, pixels: Any) -> Thing:
    named = kind not in ("NumPy array", "dask array")
    sizes = " × ".join(map(str, pixels.shape))
    if named:
        sizes = ", ".join(f"{dim} {n}" for dim, n in pixels.sizes.items())
    if kind == "Dataset" and len(variables_of(value)) > 1:
        sizes = f"{', '.join(variables_of(value))}: {sizes}"
    nbytes = math.prod(pixels.shape) * pixels.dtype.itemsize
    size = "unknown" if math.isnan(nbytes) else about(nbytes)
    coords = _coords(pixels) if named else ""
    return Thing(name, kind, sizes, str(pixels.dtype), size, _held(pixels, named=named), coords)


def _held(pixels: Any, *, named: bool) -> str:
    if getattr(pixels, "chunks", None) is not None:
        count = math.prod(map(len, pixels.chunks))
        return f"dask, {count:,} block{'s'[: count != 1]}"
    if named and not pixels.variable._in_memory:  # noqa: SLF001 - xarray has no public word for it
        return "read when needed"
    return "in memory"


def _coords(pixels: Any) -> str:
    known = [str(dim) for dim in pixels.dims if dim in pixels.coords]
    if not known:
        return "no coordinates"
    units = {str(pixels[name].attrs["units"]) for name in known if pixels[name].attrs.get("units")}
    return f"{', '.join(known)}" + (f" in {' and '.join(sorted(units))}" if units else "")
