"""Which mags a pyramid has, and their grids: WEBKNOSSOS's rule, fixed rules, or a list.

Everything here is arithmetic on values. Tuples are in the order of `Grid.axes`; only mags, as
people write them (``"2-2-1"``, ``(2, 2, 1)``), are in x, y, z order.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn

from ngffkit import mag as _mag
from ngffkit.errors import PlanError, Problem
from ngffkit.grid import MAX_AXIS_LENGTH, Grid

Sampling = Literal["anisotropic", "isotropic", "constant_z"]

#: Pixel sizes this near, relatively, are one size: 11.24 doubled and a stored 22.48 may differ in
#: their last bits, and sizes that were once float32 in their seventh digit.
_SAME: Final = 1e-6

#: Units of length in metres, so that z in micrometres and x in nanometres compare rightly.
_METRES: Final[Mapping[str, float]] = {
    "angstrom": 1e-10,
    "picometer": 1e-12,
    "nanometer": 1e-9,
    "micrometer": 1e-6,
    "millimeter": 1e-3,
    "centimeter": 1e-2,
    "inch": 0.0254,
    "meter": 1.0,
    "kilometer": 1e3,
}


@dataclass(frozen=True, slots=True)
class Rung:
    """One level of a pyramid to be made.

    Parameters
    ----------
    factors : tuple of int
        Pixels of mag 1 that one of its pixels spans, per axis of the grid.
    parent : int
        Position of the level it is made from; mag 1, at position 0, is its own.
    step : tuple of int
        Pixels of the parent that become one, per axis of the grid.
    """

    factors: tuple[int, ...]
    parent: int
    step: tuple[int, ...]


def ladder(
    grid: Grid,
    *,
    mags: Sequence[object] | None = None,
    coarsest: object = None,
    until: int | None = None,
    sampling: Sampling = "anisotropic",
) -> tuple[Rung, ...]:
    """Decide which mags a pyramid has.

    Parameters
    ----------
    grid : Grid
        Of mag 1. Pixel sizes are compared in one unit where the units are known lengths, else as
        the numbers they are.
    mags : sequence, optional
        The mags themselves, finest first: ``["1", "2-2-1", "4-4-2"]``, numbers, tuples in x, y, z
        order, mappings by axis. The first is 1. Time and channel are downsampled only where a
        mapping names them. An axis of one pixel stays, whatever a mag says of it.
    coarsest : optional
        The largest factor allowed, as a number, or per axis as a mag (WEBKNOSSOS's ``max_mag``).
        Left out, with `until` left out too: the smallest power of two that brings the larger of x
        and y to 100 pixels or fewer, at least 4, as WEBKNOSSOS has it.
    until : int, optional
        Stop once every spatial axis that can still be halved has at most so many pixels.
    sampling : {"anisotropic", "isotropic", "constant_z"}
        ``isotropic`` doubles all spatial axes, ``constant_z`` all but z. ``anisotropic`` is
        WEBKNOSSOS's rule: of doubling all axes and doubling only those whose pixels are smallest,
        whichever makes pixels more nearly cubes; in a tie the latter.

    Returns
    -------
    tuple of Rung
        Finest first. Each has fewer pixels than its parent; an axis of one pixel is never halved.

    Raises
    ------
    PlanError
        When a mag, a bound or the sampling makes no sense; the message says what would.

    Notes
    -----
    The rule and the default of `coarsest` were read in webknossos-libs,
    ``dataset/_downsampling_utils.py``: ``calculate_mags_to_downsample`` and
    ``calculate_default_max_mag``. It differs in that axes of one pixel take no part, and
    that sizes which agree to six digits are equal.

    Examples
    --------
    >>> from ngffkit.grid import Axis
    >>> axes = tuple(Axis(name, "space", "nanometer") for name in "zyx")
    >>> g = Grid(axes, (512, 1024, 1024), (25.0, 11.24, 11.24), (0.0, 0.0, 0.0))
    >>> [rung.factors for rung in ladder(g, coarsest=8)]
    [(1, 1, 1), (1, 2, 2), (2, 4, 4), (4, 8, 8)]
    >>> [(rung.parent, rung.step) for rung in ladder(g, mags=[1, 2, 3, "6-6-2"])]
    [(0, (1, 1, 1)), (0, (2, 2, 2)), (0, (3, 3, 3)), (1, (1, 3, 3))]
    """
    if mags is not None:
        if coarsest is not None or until is not None:
            option = "coarsest" if coarsest is not None else "until"
            _refuse(option, "was given and mags were listed", f"give {option} or mags, not both")
        return _listed(grid, mags)
    if sampling not in tuple(_SAMPLINGS):
        known = ", ".join(_SAMPLINGS)
        _refuse("sampling", f"is {sampling!r:.80}", f"choose one of {known}, or list mags")
    if until is not None:
        until = _whole(until, "until")
    if coarsest is None and until is None:
        coarsest = _default_coarsest(grid)
    caps = None if coarsest is None else _factors(grid, coarsest, "coarsest", flat=False)
    return _climbed(grid, caps, until, _SAMPLINGS[sampling])


def grids(grid: Grid, rungs: Sequence[Rung], *, stride: bool) -> tuple[Grid, ...]:
    """Return the grid of each level.

    Parameters
    ----------
    grid : Grid
        Of mag 1.
    rungs : sequence of Rung
        As `ladder` gives them.
    stride : bool
        Whether the method takes the first pixel of each bin (`ngffkit.reduce.Method.stride`).

    Returns
    -------
    tuple of Grid
        Exact factors and ``ceil(n / f)`` pixels per axis. The origin is the image's own plus
        ``(s_n - s_0) / 2`` for binning, or plus nothing for striding.

    Notes
    -----
    Each is coarsened from mag 1 by its total factors. This is what going from parent to child
    comes to, ``ceil(ceil(n / a) / b) = ceil(n / ab)`` and the moves of the origin add up, but it
    rounds once.

    Examples
    --------
    >>> from ngffkit.grid import Axis
    >>> g = Grid((Axis("y", "space"), Axis("x", "space")), (300, 301), (1.0, 0.5), (10.0, 0.0))
    >>> for level in grids(g, ladder(g, sampling="isotropic"), stride=False):
    ...     print(level.shape, level.scale, level.origin)
    (300, 301) (1.0, 0.5) (10.0, 0.0)
    (150, 151) (2.0, 1.0) (10.5, 0.25)
    (75, 76) (4.0, 2.0) (11.5, 0.75)
    """
    return tuple(
        grid.coarsen(dict(zip(grid.dims, rung.factors, strict=True)), stride=stride)
        for rung in rungs
    )


def _refuse(option: str, message: str, remedy: str) -> NoReturn:
    raise PlanError([Problem(option, "error", message, remedy)])


# --- rules ----------------------------------------------------------------------------------------


def _climbed(
    grid: Grid,
    caps: tuple[int, ...] | None,
    until: int | None,
    sampling: _Rule,
) -> tuple[Rung, ...]:
    ones = (1,) * len(grid.shape)
    rungs = [Rung(ones, 0, ones)]
    limit = max(caps) if caps else math.inf
    while True:
        factors = rungs[-1].factors
        free = {k: i for k, i in _free(grid, factors, caps).items() if k not in sampling.kept}
        left = {name: -(-grid.shape[i] // factors[i]) for name, i in free.items()}
        if not free or (until is not None and max(left.values()) <= until):
            break
        sizes = _sizes(grid)
        chosen = sampling.doubled({name: sizes[name] * factors[i] for name, i in free.items()})
        step = tuple(2 if name in chosen else 1 for name in grid.dims)
        coarser = tuple(a * b for a, b in zip(factors, step, strict=True))
        # WEBKNOSSOS stops as soon as the largest factor is there, whatever the others are
        if max(factors) >= limit or max(coarser) > limit:
            break
        rungs.append(Rung(coarser, len(rungs) - 1, step))
    return tuple(rungs)


def _free(grid: Grid, factors: tuple[int, ...], caps: tuple[int, ...] | None) -> dict[str, int]:
    """Return the spatial axes that can be halved, with their positions."""
    out: dict[str, int] = {}
    if 0 in grid.shape:
        return out  # nothing has no half
    for name in grid.space:
        i = grid.axis(name)
        # the cap that is the largest ends the pyramid; a smaller one only ends its axis
        capped = caps is not None and caps[i] < max(caps) and 2 * factors[i] > caps[i]
        if -(-grid.shape[i] // factors[i]) > 1 and not capped:
            out[name] = i
    return out


def _sizes(grid: Grid) -> dict[str, float]:
    """Return the pixel sizes of the spatial axes, in one unit if that can be."""
    sizes = {name: grid.scale[grid.axis(name)] for name in grid.space}
    units = {name: grid.axes[grid.axis(name)].unit for name in grid.space}
    if len(set(units.values())) > 1 and all(unit in _METRES for unit in units.values()):
        return {name: size * _METRES[str(units[name])] for name, size in sizes.items()}
    return sizes


def _nearest_cubes(sizes: Mapping[str, float]) -> set[str]:
    least = min(sizes.values())
    smallest = {name for name, size in sizes.items() if size <= least * (1 + _SAME)}
    some = [size * (2 if name in smallest else 1) for name, size in sizes.items()]
    whole = max(sizes.values()) / least
    return set(sizes) if whole < max(some) / min(some) * (1 - _SAME) else smallest


def _all(sizes: Mapping[str, float]) -> set[str]:
    return set(sizes)


@dataclass(frozen=True, slots=True)
class _Rule:
    """Axes that stay, and from the pixel sizes of those that can be halved to those that are."""

    kept: tuple[str, ...]
    doubled: Callable[[Mapping[str, float]], set[str]]


_SAMPLINGS: Final[Mapping[str, _Rule]] = {
    "anisotropic": _Rule((), _nearest_cubes),
    "isotropic": _Rule((), _all),
    "constant_z": _Rule(("z",), _all),
}


def _default_coarsest(grid: Grid) -> int:
    plane = [name for name in grid.space if name in ("x", "y")] or list(grid.space[-2:])
    widest = max((grid.shape[grid.axis(name)] for name in plane), default=0)
    power = 4
    while power * 100 < widest:
        power *= 2
    return power


# --- lists ----------------------------------------------------------------------------------------


def _listed(grid: Grid, mags: Sequence[object]) -> tuple[Rung, ...]:
    if isinstance(mags, str) or not mags:
        _refuse("mags", f"is {mags!r:.80}", "give a list, e.g. ['1', '2-2-1', '4-4-2']")
    rungs: list[Rung] = []
    for mag in mags:
        factors = _factors(grid, mag, "mags", flat=True)
        _check_place(grid, mag, factors, rungs)
        # the coarsest that divides it has the fewest pixels to read
        parents = [i for i, rung in enumerate(rungs) if _divides(rung.factors, factors)]
        parent = max(parents, key=lambda i: math.prod(rungs[i].factors), default=0)
        base = rungs[parent].factors if rungs else factors
        step = tuple(f // b for f, b in zip(factors, base, strict=True))
        if rungs and _shape(grid, factors) == _shape(grid, base):
            _refuse(
                "mags",
                f"{_spell(grid, factors)} has no fewer pixels than {_spell(grid, base)}",
                "leave it out",
            )
        rungs.append(Rung(factors, parent, step))
    return tuple(rungs)


def _check_place(grid: Grid, mag: object, factors: tuple[int, ...], rungs: list[Rung]) -> None:
    """Refuse a mag that can't come after those before it."""
    name = f"{mag!r:.80}"
    if max(factors, default=1) > MAX_AXIS_LENGTH:
        _refuse("mags", f"{name} is beyond {MAX_AXIS_LENGTH}", "give a smaller factor")
    if not rungs and max(factors, default=1) > 1:
        _refuse("mags", f"the first is {name}", "let the list begin with 1, the image itself")
    for rung in rungs:
        if rung.factors == factors:
            _refuse(
                "mags",
                f"{name} is there twice (as {_spell(grid, factors)}; axes of one pixel stay)",
                "list each mag once",
            )
        if all(f <= g for f, g in zip(factors, rung.factors, strict=True)):
            _refuse(
                "mags",
                f"{name} is finer than {_spell(grid, rung.factors)}, which is before it",
                "list the mags finest first",
            )


def _divides(base: tuple[int, ...], factors: tuple[int, ...]) -> bool:
    return all(f % b == 0 for f, b in zip(factors, base, strict=True))


def _shape(grid: Grid, factors: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(-(-n // f) for n, f in zip(grid.shape, factors, strict=True))


def _spell(grid: Grid, factors: tuple[int, ...]) -> str:
    every = dict(zip(grid.dims, factors, strict=True))
    space = _mag.spell({name: every[name] for name in grid.space})
    other = [f"{name}={f}" for name, f in every.items() if name not in grid.space and f > 1]
    return " ".join([space, *other])


def _factors(grid: Grid, mag: object, option: str, *, flat: bool) -> tuple[int, ...]:
    """Return what a mag, as people write it, means per axis of the grid.

    `flat` keeps axes of one pixel at 1; a bound isn't lowered by them.
    """
    named = _by_axis(grid, mag, option)
    wanted = {name: _whole(f, option, mag) for name, f in named.items()}
    return tuple(
        1 if flat and n <= 1 else wanted.get(name, 1)
        for name, n in zip(grid.dims, grid.shape, strict=True)
    )


def _by_axis(grid: Grid, mag: object, option: str) -> Mapping[str, Any]:
    # x, y, z first, others in the order of the array, as `mag.spell` does
    names = sorted(grid.space, key=lambda name: "xyz".find(name) % 99)
    if isinstance(mag, Mapping):
        strange = [name for name in mag if name not in grid.dims]
        if strange:
            axes = ", ".join(grid.dims)
            _refuse(option, f"{mag!r:.80} names axis {strange[0]!r}", f"the axes are {axes}")
        return mag
    if isinstance(mag, str):
        parts: list[Any] = re.split(r"\s*[-,]\s*", mag.strip())
    else:
        try:
            parts = list(mag)  # type: ignore[call-overload]
        except TypeError:
            parts = [mag]
    if len(parts) == 1:
        return dict.fromkeys(names, parts[0])
    if len(parts) == 3 and names == ["x", "y"]:
        names = ["x", "y", "z"]  # WEBKNOSSOS spells a third factor for flat images, too
    if len(parts) != len(names):
        _refuse(
            option,
            f"{mag!r:.80} has {len(parts)} factors",
            f"give one number, or one for each of {', '.join(names)}, or a mapping by axis",
        )
    return dict(zip(names, parts, strict=True))


def _whole(value: object, option: str, mag: object = None) -> int:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not number.is_integer() or number < 1:
        _refuse(
            option,
            f"{value if mag is None else mag!r:.80} is made of no whole numbers of at least 1",
            "give whole numbers, e.g. 2 (or '2-2-1' where mags are meant)",
        )
    return int(number)
