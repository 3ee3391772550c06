"""Pictures with matplotlib: a plane, three orthogonal planes, planes side by side.

Figures are made without pyplot, so handlers may make them on any thread; in notebooks they show
themselves. Nothing is read but what is drawn, at the mag that suits the figure's pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, overload

import numpy as np
from matplotlib.axes import Axes

from ngffkit import resolve
from ngffkit.errors import NgffError
from ngffkit.plots import planes
from ngffkit.plots.drawing import (
    Panels,
    Picture,
    Room,
    aspect_of,
    crosshair,
    dpi_of,
    draw,
    fit,
    has_room,
    legend,
    make_figure,
    place_text,
    scale_bar,
    set_title,
    tag,
    tighten,
    title_of,
)
from ngffkit.plots.scene import Channels, Scene

PlaneNames = str | Sequence[str] | None

_ORTHO = (("x", "y"), ("x", "z"), ("z", "y"))


@overload
def plot(
    obj: resolve.Obj,
    *,
    plane: PlaneNames = ...,
    channels: Channels = ...,
    labels: Any = ...,
    ax: None = ...,
    **options: Any,
) -> Picture: ...
@overload
def plot(
    obj: resolve.Obj,
    *,
    plane: PlaneNames = ...,
    channels: Channels = ...,
    labels: Any = ...,
    ax: Axes,
    **options: Any,
) -> Axes: ...
def plot(
    obj: resolve.Obj,
    *,
    plane: PlaneNames = None,
    channels: Channels = None,
    labels: Any = None,
    ax: Axes | None = None,
    **options: Any,
) -> Picture | Axes:
    """Draw a plane: its channels blended, labels over them, with a scale bar.

    Parameters
    ----------
    obj : DataTree, Dataset or DataArray
        A tree is drawn at the coarsest mag whose pixels are no larger than the figure's, so a
        terabyte is as fast as a megabyte. A Dataset or DataArray is one mag already, and drawn as
        it is.
    plane : str or (str, str), optional
        ``"xy"``, ``"xz"``, ``"yz"`` or the names of two axes: horizontal, then vertical. x and y
        when left out, or the only two axes there are.
    channels : sequence of str or int, optional
        Names or positions. Left out: those the image's own settings show, six at most.
    labels : str, True, DataArray or list of these, optional
        Label images to lay over it: by name, all of them, or any array of ids with coordinates
        (or of the image's own shape).
    ax : matplotlib.axes.Axes, optional
        Draws there instead of in a figure of its own.
    **options
        Positions by the name of the axis, in its coordinates, nearest pixel: ``z=12.5, t=3``; the
        middle of spatial axes and the first of others when left out. Ranges of the axes that are
        drawn: ``x=slice(10, 20)``. ``sel={"angle": 90}`` for the same with names that are no
        keywords. And every field of `ngffkit.plots.scene.Style`: ``mag``, ``kind``, ``colors``,
        ``windows``, ``percentiles``, ``opacity``, ``outline``, ``size``, ``dpi``, ``title``,
        ``scalebar``, ``legend``, ``ticks``.

    Returns
    -------
    matplotlib.figure.Figure
        Made without pyplot: it shows itself in notebooks and saves itself with ``savefig``. For a
        window on the screen pass ``ax=plt.gca()``. With `ax`, these axes.

    Raises
    ------
    NgffError
        When there is no such axis, position, channel, label image or option.

    Notes
    -----
    Channels are added up, each in its colour (see `ngffkit.plots.compose.composite`), within the
    image's own window, or from the 0.5th to the 99.5th percentile of what is shown. Labels have the
    colours of the image's ``image-label`` metadata, or stable ones by id.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> da = xr.DataArray(np.eye(8), dims=("y", "x"), coords={"x": np.arange(8) * 0.5})
    >>> da.coords["x"].attrs["units"] = "micrometer"
    >>> figure = plot(da)
    >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()
    ('x (µm)', 'y (px)')
    """
    scene = Scene.of(obj, channels, labels, options)
    names = planes.choose_axes(scene.source.finest, plane)
    if ax is not None:
        figure = ax.get_figure(root=True)
        assert figure is not None
        box, dpi = ax.get_window_extent(), figure.dpi
        _single(scene, names, ax, (box.width / dpi, box.height / dpi), dpi)
        return ax
    size = fit(scene.extent(names), aspect_of(scene.source, names), scene.style.size or 5.5)
    figure, (made,) = make_figure([(0.0, 0.0, *size)], scene.style)
    _single(scene, names, made, size, figure.dpi)
    tighten(figure)
    return figure


def _single(
    scene: Scene, names: tuple[str, str], ax: Axes, size: tuple[float, float], dpi: float
) -> None:
    view = scene.look(names, (size[0] * dpi, size[1] * dpi))
    entries = draw(scene, [ax], [view])
    legend(ax, entries, scene.style)
    scale_bar(ax, view.plane, scene.style)
    set_title(ax, title_of(scene, [view], view.plane.places, size[0]))


def ortho(
    obj: resolve.Obj,
    at: Mapping[str, float] | None = None,
    *,
    channels: Channels = None,
    labels: Any = None,
    **options: Any,
) -> Picture:
    """Draw the planes xy, xz and zy through one point, on one scale, with a crosshair.

    Parameters
    ----------
    obj : DataTree, Dataset or DataArray
        With axes x, y and z. As for `plot`; each plane of a tree has the mag that suits it.
    at : Mapping of str to float, optional
        The point, in the coordinates of the axes; the middle where left out. ``x=``, ``y=`` and
        ``z=`` are understood too.
    channels, labels, **options
        As for `plot`.

    Returns
    -------
    matplotlib.figure.Figure
        With three axes: xy, zy on its right and xz below it.

    Raises
    ------
    NgffError
        When an axis is missing, or as for `plot`.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> len(ortho(xr.DataArray(np.zeros((4, 8, 8)), dims=("z", "y", "x"))).axes)
    3
    """
    scene = Scene.of(obj, channels, labels, options)
    finest = scene.source.finest
    for name in "xyz":
        if name not in finest.dims:
            raise NgffError(
                f"there is no axis {name!r}, and orthogonal planes need x, y and z; the axes are "
                f"{', '.join(map(str, finest.dims))}: ngffkit.plot draws any two of them"
            )
    point = _point(scene, at or {})
    # of x, y and z a number is the point, a range crops the planes that show this axis
    crops = {k: v for k, v in scene.where.items() if k not in "xyz" or isinstance(v, slice)}
    scene = replace(scene, where=crops)
    rooms = _ortho_rooms(scene, scene.style.size or 6.5)
    dpi, views = dpi_of(scene.style), []
    for names, room in zip(_ORTHO, rooms, strict=True):
        across = {name: place for name, place in point.items() if name not in names}
        step = replace(scene, where={**crops, **across})
        views.append(step.look(names, (room[2] * dpi, room[3] * dpi)))
    figure, (xy, xz, zy) = make_figure(rooms, scene.style)
    entries = draw(scene, [xy, xz, zy], views)
    for ax, names in zip((xy, xz, zy), _ORTHO, strict=True):
        crosshair(ax, float(point[names[0]]), float(point[names[1]]))
    xy.tick_params(labelbottom=False)
    zy.tick_params(labelleft=False)
    xy.set_xlabel("")
    zy.set_ylabel("")
    # beside xy there is no room, beside zy there is
    legend(xy if has_room(xy, len(entries)) else zy, entries, scene.style)
    scale_bar(xy, views[0].plane, scene.style)
    axes = planes.axes_of(finest)
    places = [(axes[name], point[name]) for name in "xyz"]
    places += [place for place in views[0].plane.places if place[0].name not in "xyz"]
    set_title(xy, title_of(scene, views, places, rooms[2][0] + rooms[2][2]))
    tighten(figure)
    return figure


def _point(scene: Scene, at: Mapping[str, float]) -> dict[str, Any]:
    """Return the pixel centre of the finest mag nearest to a point, by default the middle."""
    given = {**scene.where, **at}
    unknown = [name for name in at if name not in "xyz"]
    if unknown:
        raise NgffError(
            f"at={dict(at)!r}: {unknown[0]!r} is none of x, y and z; give it as "
            f"{unknown[0]}=... instead"
        )
    out = {}
    for name in "xyz":
        da, wanted = scene.source.finest, given.get(name)
        if isinstance(wanted, slice):
            da, wanted = planes.cut_axis(da, name, wanted), None
        if not da.sizes[name]:
            raise NgffError(f"there is nothing to draw: the axis {name!r} has no pixels left")
        i = da.sizes[name] // 2 if wanted is None else planes.position(da, name, wanted)
        out[name] = planes.value_at(da, name, i)
    return out


def _ortho_rooms(scene: Scene, size: float) -> list[Room]:
    """Lay out xy, xz below it and zy on its right, all on one scale."""
    gap = 0.1
    lengths = {}
    for name, other in (("x", "y"), ("y", "x"), ("z", "x")):
        left, right, _, _ = scene.extent((name, other))
        # all in units of x
        lengths[name] = (right - left) * (aspect_of(scene.source, ("x", name)) or 1.0)
    scale = size / max(lengths["x"] + lengths["z"], lengths["y"] + lengths["z"])
    x, y, z = (max(lengths[name] * scale, 0.12) for name in "xyz")
    return [(0.0, z + gap, x, y), (0.0, 0.0, x, z), (x + gap, z + gap, z, y)]


def montage(
    obj: resolve.Obj,
    along: str | None = None,
    n: int | None = None,
    *,
    labels: Any = None,
    **options: Any,
) -> Picture:
    """Draw planes along an axis side by side, in one contrast.

    Parameters
    ----------
    obj : DataTree, Dataset or DataArray
        As for `plot`.
    along : str, optional
        The axis to go along: z, t, any that isn't drawn, or the channels', which are then drawn
        one by one. The first of z and t, then any other, that has more than one pixel.
    n : int, optional
        How many planes, evenly spaced from the first to the last; 12 at most when left out.
    labels, **options
        As for `plot`, with ``plane`` and ``channels``.

    Returns
    -------
    matplotlib.figure.Figure
        With one axes per plane, in reading order.

    Raises
    ------
    NgffError
        When there is no such axis, or as for `plot`.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> stack = xr.DataArray(np.zeros((40, 8, 8)), dims=("z", "y", "x"))
    >>> len(montage(stack, "z", 5).axes)
    5
    """
    plane, channels = options.pop("plane", None), options.pop("channels", None)
    scene = Scene.of(obj, channels, labels, {"ticks": False, **options})
    finest = scene.source.finest
    names = planes.choose_axes(finest, plane)
    along = _along(scene, names, along)
    scenes = _steps(scene, along, n)
    shape = fit(scene.extent(names), aspect_of(scene.source, names), 1.0)
    panels = Panels.of(len(scenes), shape, scene.style.size or 8.0)
    rooms = [panels.room(i) for i in range(len(scenes))]
    dpi = dpi_of(scene.style)
    views = [step.look(names, (panels.width * dpi, panels.height * dpi)) for step in scenes]
    figure, axes = make_figure(rooms, scene.style)
    if along == resolve.channel_dim(finest):
        for ax, step, view in zip(axes, scenes, views, strict=True):
            draw(step, [ax], [view])
            tag(ax, view.plane.channels[0].label)
        places = views[0].plane.places
    else:
        entries = draw(scene, axes, views)
        for ax, view in zip(axes, views, strict=True):
            here = [place for place in view.plane.places if place[0].name == along]
            tag(ax, place_text(*here[0]) if here else "")
        legend(axes[(panels.rows - 1) * panels.columns], entries, scene.style, below=True)
        places = tuple(place for place in views[0].plane.places if place[0].name != along)
    scale_bar(axes[-1], views[-1].plane, scene.style)
    width = max(left + across for left, _, across, _ in rooms)
    set_title(axes[0], title_of(scene, views, places, width))
    tighten(figure)
    return figure


def _along(scene: Scene, names: tuple[str, str], along: str | None) -> str:
    finest = scene.source.finest
    free = [str(name) for name in finest.dims if name not in names]
    if along is None:
        free.sort(key=lambda name: "zt".find(name) % 9)
        several = [name for name in free if finest.sizes[name] > 1]
        if not several:
            raise NgffError(
                "there is no axis to go along: all that aren't drawn have one pixel; "
                "ngffkit.plot draws the plane there is"
            )
        return several[0]
    if along not in free:
        raise NgffError(
            f"along={along!r} is no axis to go along; these are {', '.join(free) or 'none'} "
            f"({' and '.join(names)} are drawn)"
        )
    return along


def _steps(scene: Scene, along: str, n: int | None) -> list[Scene]:
    """Return one scene per panel."""
    if n is not None and n < 1:
        raise NgffError(f"n is {n}; a montage has at least one panel")
    da = scene.source.finest
    if along == resolve.channel_dim(da):
        every = range(da.sizes[along]) if scene.channels is None else None
        listed = list(every) if every else planes.choose_channels(da, scene.channels)[0]
        return [replace(scene, channels=[listed[i]]) for i in _evenly(len(listed), n)]
    crop = scene.where.get(along)
    if crop is not None and not isinstance(crop, slice):
        raise NgffError(
            f"{along}={crop!r}: the montage goes along {along!r}; give a range, e.g. slice(2, 8)"
        )
    if crop is not None:
        da = planes.cut_axis(da, along, crop)
    if not da.sizes[along]:
        raise NgffError(f"there is nothing to draw: the axis {along!r} has no pixels left")
    return [
        replace(scene, where={**scene.where, along: planes.value_at(da, along, i)})
        for i in _evenly(da.sizes[along], n)
    ]


def _evenly(size: int, n: int | None) -> list[int]:
    count = min(size, n or 12)
    return sorted({round(float(i)) for i in np.linspace(0, size - 1, count)})
