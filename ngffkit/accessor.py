"""The door on xarray objects: ``.ngff``, a table of contents over the functions of other modules.

Nothing is computed here, and nothing is kept: an accessor of an object that was sliced, computed
with or renamed reads its answers off the coordinates that object has now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

from ngffkit import api, regions, resolve
from ngffkit.errors import NgffError
from ngffkit.grid import Axis, Grid
from ngffkit.image import Channel, Image
from ngffkit.layout import Layout
from ngffkit.opened import Opened

if TYPE_CHECKING:
    from ngffkit.description import Description
    from ngffkit.planning.plan import Result
    from ngffkit.serving.server import Server
    from ngffkit.tuning.report import Tuning
    from ngffkit.tuning.speeds import Benchmark
    from ngffkit.validation import Report
    from ngffkit.widgets.browse import Viewer


class NgffAccessor:
    """What ngffkit knows of an xarray object and can do with it.

    On a DataTree it speaks of the tree's only image, on a Dataset or DataArray of these pixels:
    a crop, a stride, the result of arithmetic.
    """

    def __init__(self, obj: resolve.Obj) -> None:
        self._obj = obj

    # --- what it is -----------------------------------------------------------------------------

    @property
    def grid(self) -> Grid:
        """Axes, shape, scale and origin of these pixels."""
        return resolve.grid_of(resolve.array_of(self._obj))

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The axes with type and unit, in the order of the dimensions."""
        return self.grid.axes

    @property
    def voxel_size(self) -> dict[str, float]:
        """Distance between pixels along the spatial axes, in their units."""
        grid = self.grid
        return {name: grid.scale[grid.axis(name)] for name in grid.space}

    @property
    def units(self) -> dict[str, str | None]:
        """Unit of each axis that has positions; None where the writer gave none."""
        return {axis.name: axis.unit for axis in self.axes if not axis.is_channel}

    @property
    def channels(self) -> tuple[Channel, ...]:
        """The channels that are left: label, colour, window."""
        return resolve.channels_of(resolve.array_of(self._obj))

    @property
    def mags(self) -> list[str]:
        """All mags of the image, finest first, spelled as WEBKNOSSOS does (x-y-z)."""
        return list(self._image.mags)

    @property
    def mag(self) -> str:
        """The mag of these pixels, whichever way they came about."""
        return regions.mag_of(resolve.array_of(self._obj))

    @property
    def version(self) -> str:
        """Version of OME-Zarr the image is written in; ``zarr`` or ``webknossos`` for others."""
        return self._image.version

    @property
    def transformations(self) -> tuple[Any, ...]:
        """Transformations that coordinates can't express, as their JSON values."""
        return self._image.transformations

    @property
    def source(self) -> str:
        """Address of the image."""
        return self._opened.url

    @property
    def image(self) -> Image:
        """The image as a value: levels, channels, kind, label colours."""
        return self._image

    @property
    def layout(self) -> Layout:
        """Chunks, shards and codecs of the array behind these pixels."""
        opened = self._opened
        return opened.spec(regions.level_of(resolve.array_of(self._obj), opened.image)).layout

    @property
    def labels(self) -> dict[str, xr.Dataset]:
        """The label images, at the mag and in the region of these pixels."""
        return regions.labels_for(self._region, api.labels_of(self._opened))

    # --- other pixels ---------------------------------------------------------------------------

    def at(self, mag: object) -> xr.Dataset:
        """Return another mag of the same image: the same region, if this is a crop.

        Parameters
        ----------
        mag : str, int or tuple
            ``"2-2-1"``, ``2``, ``(2, 2, 1)``, or the path of a level.

        Raises
        ------
        NgffError
            When there is no such mag; the message lists them.
        """
        return regions.at(self._region, self._opened, mag)

    def mag_for(self, pixel_size: float | Mapping[str, float]) -> str:
        """Return the coarsest mag whose pixels are no larger than `pixel_size`.

        Parameters
        ----------
        pixel_size : float or mapping of str to float
            In the units of the axes; one number is for the axes of a plane (not z).
        """
        image = self._image
        return image.mags[image.level_for(pixel_size)]

    def well(self, name: str, **kwargs: Any) -> xr.DataTree:
        """Open one well of a plate.

        Parameters
        ----------
        name : str
            ``B/03``, ``B03`` or ``B3``.
        **kwargs
            As for `ngffkit.open`.
        """
        return regions.open_well(self._opened, name, **kwargs)

    @property
    def wells(self) -> list[str]:
        """The wells of a plate that have images, as ``row/column``."""
        plate = self._opened.node.plate
        if plate is None:
            raise NgffError(f"{self.source} is no plate")
        return [well.path for well in plate.wells]

    # --- looking at it --------------------------------------------------------------------------

    def describe(self) -> Description:
        """Describe the image: a card in notebooks, text elsewhere."""
        from ngffkit.description import describe

        return describe(self._opened)

    def validate(self) -> Report:
        """List every problem of the image's metadata, with address and remedy."""
        from ngffkit.validation import validate

        return validate(self._opened)

    def plot(self, *args: Any, **kwargs: Any) -> Any:
        """Draw a plane as a composite of its channels; see `ngffkit.plot`."""
        from ngffkit.plots.figures import plot

        return plot(self._obj, *args, **kwargs)

    def ortho(self, *args: Any, **kwargs: Any) -> Any:
        """Draw three orthogonal planes; see `ngffkit.ortho`."""
        from ngffkit.plots.figures import ortho

        return ortho(self._obj, *args, **kwargs)

    def montage(self, *args: Any, **kwargs: Any) -> Any:
        """Draw planes along an axis side by side; see `ngffkit.montage`."""
        from ngffkit.plots.figures import montage

        return montage(self._obj, *args, **kwargs)

    def browse(self, **options: Any) -> Viewer:
        """Look at it in a notebook: pan, zoom, step, measure; see `ngffkit.browse`."""
        from ngffkit.widgets.browse import browse

        return browse(self._obj, **options)

    def serve(self, **options: Any) -> Server:
        """Let other viewers read it over HTTP, as it is here; see `ngffkit.serve`."""
        from ngffkit.serving.doors import serve

        return serve(self._obj, **options)

    # --- how it is stored -----------------------------------------------------------------------

    def tune(self, **options: Any) -> Tuning:
        """Say what reading the image costs, and what would cost less; see `ngffkit.tune`."""
        from ngffkit.tuning.doors import tune

        return tune(self._opened, **options)

    def benchmark(self, **options: Any) -> Benchmark:
        """Measure how quickly the image is read; see `ngffkit.benchmark`."""
        from ngffkit.tuning.measuring import benchmark

        return benchmark(self._opened, **options)

    def rewrite(self, layout: Any = None, target: Any = None, **options: Any) -> Result:
        """Store the image in another layout; see `ngffkit.rewrite`."""
        from ngffkit.rewriting.doors import rewrite

        return rewrite(self._opened, layout, target, **options)

    # --- writing it, and editing the image it is of ---------------------------------------------

    def write(self, target: Any, **options: Any) -> Result:
        """Write these pixels as OME-Zarr, a tree with its labels; see `ngffkit.write`."""
        from ngffkit.writing import write

        return write(self._obj, target, **options)

    def add_labels(self, name: str, data: Any, **options: Any) -> Result:
        """Add a label image; see `ngffkit.add_labels`."""
        from ngffkit.editing.doors import add_labels

        return add_labels(self._opened, data, name, **options)

    def remove_labels(self, name: str | Sequence[str], **options: Any) -> Result:
        """Remove labels, with all their files; see `ngffkit.remove_labels`."""
        from ngffkit.editing.doors import remove_labels

        return remove_labels(self._opened, name, **options)

    def append(self, data: Any, axis: str, **options: Any) -> Result:
        """Add channels or time points at the end; see `ngffkit.append`."""
        from ngffkit.editing.doors import append

        return append(self._opened, data, axis, **options)

    def write_region(self, data: Any, **options: Any) -> Result:
        """Replace the pixels of a box, at all mags; see `ngffkit.write_region`."""
        from ngffkit.editing.doors import write_region

        return write_region(self._opened, data, **options)

    def downsample(self, **options: Any) -> Result:
        """Add the mags that the image lacks; see `ngffkit.downsample`."""
        from ngffkit.editing.doors import downsample

        return downsample(self._opened, **options)

    # --- where answers come from ----------------------------------------------------------------

    @property
    def _opened(self) -> Opened:
        obj = self._obj
        if isinstance(obj, xr.DataTree):
            opened = resolve.opened_of(obj)
            if opened is None or (opened.node.image is None and opened.node.plate is None):
                obj = resolve.only_image(obj)
        opened = resolve.opened_of(obj)
        if opened is None:
            raise NgffError(
                "this object was not opened by ngffkit (its attribute 'ngff_source' is missing), "
                "so only what its coordinates say is known: axes, units, voxel_size, grid"
            )
        return opened

    @property
    def _image(self) -> Image:
        return self._opened.image

    @property
    def _region(self) -> xr.DataArray | None:
        return None if isinstance(self._obj, xr.DataTree) else resolve.array_of(self._obj)

    def __repr__(self) -> str:
        """Say what it is the accessor of."""
        return f"<ngff of {type(self._obj).__name__}>"
