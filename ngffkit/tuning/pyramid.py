"""What is odd about the mags of an image, and which mags would be better. Arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ngffkit import mag as _mag
from ngffkit.grid import Grid
from ngffkit.image import Image
from ngffkit.pyramids import Sampling, ladder

#: A coarsest mag that is wider than this takes many chunks to show as a thumbnail. WEBKNOSSOS
#: goes on to 100 pixels, and never stops before mag 4.
WIDEST = 256

#: A step of this many pixels makes views between the two mags read 8 or 64 times too much.
STEEP = 4

#: Pixels are cubes, nearly, up to this ratio of their sides.
_CUBES = 1.5

#: Ratios that differ by less are equal.
_SAME = 1.01

_SAMPLINGS: tuple[Sampling, ...] = ("anisotropic", "isotropic", "constant_z")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is odd about a pyramid.

    Parameters
    ----------
    key : str
        ``flat`` (isotropic data that were only downsampled within planes), ``steep`` (a step of 4
        or more), ``coarsest`` (no small mag), ``anisotropic`` (a mag whose pixels are less
        like cubes than those of the one before).
    reason : str
        What was found.
    mags : tuple of str
        Those that there should be, finest first; empty where no list of mags mends it.
    """

    key: str
    reason: str
    mags: tuple[str, ...]


def findings_of(image: Image) -> tuple[Finding, ...]:
    """Return what is odd about the mags of an image.

    Parameters
    ----------
    image : Image
        With its levels.

    Examples
    --------
    >>> from ngffkit.image import Level
    >>> from ngffkit.grid import Axis
    >>> axes = tuple(Axis(name, "space") for name in "zyx")
    >>> grid = Grid(axes, (1000, 1000, 1000), (1.0,) * 3, (0.0,) * 3)
    >>> [(f.key, f.mags) for f in findings_of(Image("a", (Level("0", grid),)))]
    [('coarsest', ('1', '2', '4', '8', '16'))]
    """
    grids = [level.grid for level in image.levels]
    out = [_flat(grids), *_steep(image), _coarsest(image), *_growing(image)]
    return tuple(finding for finding in out if finding is not None)


def _sizes(grid: Grid, base: Grid) -> dict[str, float]:
    """Return the pixel sizes of the spatial axes that have more than one pixel."""
    return {n: grid.scale[grid.axis(n)] for n in grid.space if base.shape[base.axis(n)] > 1}


def _anisotropy(grid: Grid, base: Grid) -> float:
    sizes = _sizes(grid, base).values()
    units = {grid.axes[grid.axis(n)].unit for n in grid.space}
    return max(sizes) / min(sizes) if sizes and len(units) == 1 else 1.0


def _flat(grids: Sequence[Grid]) -> Finding | None:
    base = grids[0]
    sizes = _sizes(base, base)
    if len(grids) < 2 or len(sizes) < 3 or _anisotropy(base, base) > _CUBES:
        return None
    last = grids[-1].factors(base)
    kept = [name for name in sizes if last[name] < _SAME]
    if not kept or max(last[name] for name in sizes) < 2:
        return None
    reason = (
        f"voxels are cubes, nearly, but {', '.join(kept)} is never downsampled: a voxel of the "
        f"coarsest mag is {max(last.values()):.3g} times as wide as it is deep"
    )
    return Finding("flat", reason, _spelled(base))


def _steep(image: Image) -> list[Finding]:
    out = []
    for i in range(1, len(image.levels)):
        step = image.levels[i].grid.factors(image.levels[i - 1].grid)
        most = max((step[name] for name in image.base.space), default=1)
        if most >= STEEP / _SAME:
            reason = (
                f"from mag {image.mags[i - 1]} to {image.mags[i]} pixels grow by {most:.3g}: a "
                f"view between the two reads up to {most:.3g} times as many along each axis"
            )
            out.append(Finding("steep", reason, wanted_mags(image)))
    return out[:1]


def _coarsest(image: Image) -> Finding | None:
    grid = image.levels[-1].grid
    plane = [n for n in grid.space if n in ("x", "y")] or list(grid.space[-2:])
    widest = max((grid.shape[grid.axis(n)] for n in plane), default=0)
    if widest <= WIDEST:
        return None
    mags = wanted_mags(image)
    missing = [name for name in mags if name not in image.mags]
    if not missing:
        return None
    reason = (
        f"the coarsest mag, {image.mags[-1]}, is {widest:,} pixels wide: an overview takes all of "
        f"them; {', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    )
    return Finding("coarsest", reason, mags)


def _growing(image: Image) -> list[Finding]:
    base, out = image.base, []
    for i in range(1, len(image.levels)):
        before = _anisotropy(image.levels[i - 1].grid, base)
        after = _anisotropy(image.levels[i].grid, base)
        if after > before * _SAME and after > 2 * _SAME:
            reason = (
                f"mag {image.mags[i]} is less like cubes than {image.mags[i - 1]}: the sides of "
                f"its voxels differ by {after:.3g}, those before by {before:.3g}"
            )
            out.append(Finding("anisotropic", reason, _spelled(base)))
    return out[:1]


def wanted_mags(image: Image) -> tuple[str, ...]:
    """Return which mags there should be, with those that there are if that can be.

    Parameters
    ----------
    image : Image
        With its levels.

    Returns
    -------
    tuple of str
        What the first of WEBKNOSSOS's rule, isotropic halving and halving within planes says that
        leads to all mags that there are; if none does, those that there are, and coarser ones
        by WEBKNOSSOS's rule.
    """
    base, there = image.base, list(image.mags)
    coarsest = _largest(image.levels[-1].grid.factors(base), base)
    for sampling in _SAMPLINGS:
        found = _spelled(base, sampling)
        longer = _spelled(base, sampling, coarsest)
        mags = longer if len(longer) > len(found) else found
        if set(there) <= set(mags):
            return mags
    last = image.levels[-1].grid
    factors = last.factors(base)
    more = [
        _mag.spell({n: factors[n] * rung.factors[last.axis(n)] for n in last.space})
        for rung in ladder(last)[1:]
    ]
    return (*there, *more)


def _largest(factors: Mapping[str, float], grid: Grid) -> int:
    return max((round(factors[name]) for name in grid.space), default=1)


def _spelled(
    grid: Grid, sampling: Sampling = "anisotropic", coarsest: int | None = None
) -> tuple[str, ...]:
    rungs = ladder(grid, sampling=sampling, coarsest=coarsest)
    return tuple(
        _mag.spell({name: rung.factors[grid.axis(name)] for name in grid.space}) for rung in rungs
    )
