"""What missing mags cost: views between those that there are. Arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ngffkit.access.lines import seconds
from ngffkit.access.patterns import WINDOW, Box
from ngffkit.grid import Grid
from ngffkit.pyramids import grids, ladder
from ngffkit.tuning.candidates import Candidate, Guess
from ngffkit.tuning.costs import Lying, Reading
from ngffkit.tuning.pyramid import Finding
from ngffkit.tuning.survey import Mag


@dataclass(frozen=True, slots=True)
class Zoom:
    """What mags that are missing would give.

    Parameters
    ----------
    gains : Mapping of str to float
        How many times faster a view at each missing mag gets, by ``view`` and its mag.
    objects : int
        Objects that they would add.
    nbytes : int
        Bytes of their pixels.
    """

    gains: Mapping[str, float]
    objects: int
    nbytes: int

    @property
    def gain(self) -> float:
        """Geometric mean of the gains."""
        return math.exp(sum(map(math.log, self.gains.values())) / len(self.gains))


def zoom(guess: Guess, finding: Finding, now: Candidate, reading: Reading) -> Zoom | None:
    """Compare views at missing mags with what they are made of today.

    Parameters
    ----------
    guess : Guess
        How the image lies.
    finding : Finding
        With the mags that there should be.
    now : Candidate
        The layout there is, which new mags would have.
    reading : Reading
        Over which line.

    Returns
    -------
    Zoom or None
        None when no mag is missing.

    Notes
    -----
    A view at a mag that is missing is made of the coarsest mag that is nowhere coarser: a window
    of as many pixels as `ngffkit.access.patterns.WINDOW` has, times what they lack. For data that
    were only downsampled within planes the window stands upright, along z.
    """
    image = guess.survey.image
    missing = [mag for mag in finding.mags if mag not in image.mags]
    if not missing:
        return None
    made = grids(image.base, ladder(image.base, mags=list(finding.mags)), stride=False)
    plane = ("x", "z") if finding.key == "flat" else ("x", "y")
    gains, objects, nbytes = {}, 0, 0
    for name, grid in zip(finding.mags, made, strict=True):
        if name not in missing:
            continue
        after = guess.level(grid, now)
        mag = _finer(guess, grid)
        took = _view(mag.lying, mag.grid, grid, plane, reading)
        gains[f"view {name}"] = took / max(_view(after, grid, grid, plane, reading), 1e-12)
        objects += after.spec.layout.objects
        nbytes += after.spec.layout.nbytes
    return Zoom(gains, objects, nbytes)


def _finer(guess: Guess, grid: Grid) -> Mag:
    """Return the coarsest mag that is nowhere coarser than a grid."""
    fitting = [
        mag for mag in guess.survey.mags if all(f > 0.99 for f in grid.factors(mag.grid).values())
    ]
    return fitting[-1] if fitting else guess.survey.mags[0]


def _view(
    level: Lying, grid: Grid, wanted: Grid, plane: tuple[str, str], reading: Reading
) -> float:
    """Return the seconds of a window at the pixels of `wanted`, made of those of `grid`."""
    factors = wanted.factors(grid)
    sides = dict(zip(plane, WINDOW, strict=True))
    box: Box = tuple(
        _middle(n, round(sides.get(name, 0) * factors[name]) or 1, o)
        for name, n, o in zip(grid.dims, grid.shape, level.origin, strict=True)
    )
    merges = reading.merging(reading.line)
    found, _ = level.traffic(box, merges=merges, cpus=reading.machine.cpus)
    return seconds(found, reading.chosen, reading.machine)


def _middle(n: int, size: int, origin: int) -> slice:
    size = min(n, size)
    start = origin + (n - size) // 2
    return slice(start, start + size)
