"""What a viewer must show, worked out with NumPy alone: from pixels on disk to a screen's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import zarr

BACKGROUNDS: Final = {"dark": (0.07, 0.07, 0.08), "light": (0.93, 0.93, 0.94)}

#: Device pixels this near to the edge of a texel, in texels, may show either side.
NEAR: Final = 1e-3


@dataclass(frozen=True)
class Level:
    """One array of a pyramid, by its axes z, y and x, with where its pixels lie in voxels."""

    pixels: npt.NDArray[Any]
    factor: Mapping[str, float]
    offset: Mapping[str, float]

    def index(self, axis: str, voxel: Any) -> Any:
        """Return the index of the pixel that holds a voxel position, as a fraction."""
        return (voxel - self.offset[axis]) / self.factor[axis] + 0.5


def read_level(image: Path, path: str, factors: Mapping[str, int]) -> Level:
    """Read a level made by averaging or voting: its first pixel is the middle of the first bin."""
    array = np.asarray(zarr.open_array(image / path, mode="r")[...])
    return Level(array, factors, {name: (factor - 1) / 2 for name, factor in factors.items()})


@dataclass(frozen=True)
class Pane:
    """A rectangle of the screen that shows a plane.

    Parameters
    ----------
    plane : (str, str)
        Horizontal and vertical axis.
    size : (int, int)
        Width and height in device pixels.
    scale : Mapping of str to float
        Device pixels per voxel along each axis.
    center : Mapping of str to float
        The voxel position in its middle.
    voxel : Mapping of str to int
        The position across it.
    """

    plane: tuple[str, str]
    size: tuple[int, int]
    scale: Mapping[str, float]
    center: Mapping[str, float]
    voxel: Mapping[str, int]

    def positions(self, axis: int) -> npt.NDArray[np.float64]:
        """Return the voxel position of each device pixel's middle along a side."""
        name, count = self.plane[axis], self.size[axis]
        return self.center[name] + (np.arange(count) + 0.5 - count / 2) / self.scale[name]

    def sample(self, level: Level) -> tuple[npt.NDArray[Any], npt.NDArray[np.bool_], Any]:
        """Return pixels (height, width), which of them are in the image, and which are certain."""
        sides, inside, certain = [], [], []
        for axis in (0, 1):
            place = level.index(self.plane[axis], self.positions(axis))
            count = level.pixels.shape["zyx".index(self.plane[axis])]
            index = np.floor(place).astype(int)
            sides.append(np.clip(index, 0, count - 1))
            inside.append((index >= 0) & (index < count))
            certain.append(np.abs(place - np.rint(place)) > NEAR)
        (across,) = set("zyx") - set(self.plane)
        count = level.pixels.shape["zyx".index(across)]
        depth = int(np.clip(np.floor(level.index(across, self.voxel[across])), 0, count - 1))
        plane = np.take(level.pixels, depth, "zyx".index(across))
        if "zyx".index(self.plane[0]) < "zyx".index(self.plane[1]):
            plane = plane.T
        found = plane[np.ix_(sides[1], sides[0])]
        return found, np.outer(inside[1], inside[0]), np.outer(certain[1], certain[0])


def shade(values: npt.NDArray[Any], channel: Mapping[str, Any]) -> npt.NDArray[np.float64]:
    """Turn values into light from 0 to 1 by window and gamma."""
    low, high = channel["window"]
    scaled = (values.astype(np.float64) - low) / (high - low)
    return np.asarray(np.clip(np.nan_to_num(scaled, nan=0.0), 0, 1) ** channel["gamma"])


def rgb(color: str) -> npt.NDArray[np.float64]:
    """Read "#rrggbb" as numbers from 0 to 1."""
    return np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])


def picture(
    pane: Pane, shown: Sequence[tuple[Level, Mapping[str, Any]]], theme: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Return the picture, (height, width, rgb) from 0 to 255, and which pixels of it are certain.

    Parameters
    ----------
    pane : Pane
        What is seen of what.
    shown : sequence of (Level, channel's state)
        Blended additively.
    theme : str
        "dark" or "light": the colour around the image.
    """
    width, height = pane.size
    light, sure = np.zeros((height, width, 3)), np.ones((height, width), np.bool_)
    covered = np.zeros((height, width), np.bool_)
    for level, channel in shown:
        found, inside, certain = pane.sample(level)
        light += (shade(found, channel) * inside)[..., None] * rgb(channel["color"])
        covered |= inside
        sure &= certain
    out = np.where(covered[..., None], np.clip(light, 0, 1), BACKGROUNDS[theme])
    return out * 255, sure


def overlay(
    under: npt.NDArray[np.float64], colors: npt.NDArray[np.uint8], opacity: float
) -> npt.NDArray[np.float64]:
    """Lay colours of labels (height, width, rgba) over a picture."""
    alpha = (opacity * colors[..., 3:] / 255.0).astype(np.float64)
    return np.asarray(under * (1 - alpha) + colors[..., :3] * alpha)


def assert_shows(
    found: npt.NDArray[np.uint8],
    expected: npt.NDArray[np.float64],
    sure: npt.NDArray[np.bool_],
    tolerance: float = 1.0,
) -> None:
    """Compare two pictures, pixel by pixel, where the expectation is certain."""
    assert found.shape == expected.shape
    assert sure.mean() > 0.9, "nearly all pixels must be certain for a comparison to mean something"
    assert np.ptp(expected[sure]) > 100, "a flat picture proves nothing"
    off = np.abs(found - expected).max(-1)
    wrong = (off > tolerance + 1e-6) & sure
    if wrong.any():
        y, x = np.argwhere(wrong)[0]
        raise AssertionError(
            f"{wrong.sum()} of {wrong.size} pixels are off by up to {off[sure].max():.1f}; first "
            f"x {x}, y {y}: {found[y, x].tolist()} instead of {expected[y, x].round(1).tolist()}"
        )


def pane_of(state: Mapping[str, Any], spacing: Mapping[str, float], size: tuple[int, int]) -> Pane:
    """Return the only pane of a canvas in layout "plane", with one device pixel per CSS pixel."""
    scale = {name: state["zoom"] * extent / spacing["x"] for name, extent in spacing.items()}
    return Pane(tuple(state["plane"]), size, scale, state["center"], state["voxel"])
