"""The main job end to end, on a sample: open, select, compute, validate, plot, convert, tune.

``ngffkit demo [FOLDER]``. Everything is shown as the line of Python that does it.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

import ngffkit as nk

#: Where it goes when nobody says.
FOLDER = "demo-data"

#: What it makes; a folder that has anything else is somebody's.
_MADE = frozenset(
    "cells.ome.zarr cells.png cells.html cells_slices from_slices.zarr "
    "from_slices.zarr.journal".split()
)


def demo(folder: str | os.PathLike[str] = FOLDER) -> None:
    """Do the main job in a folder, and say what to do next.

    Parameters
    ----------
    folder : str or Path
        Where the sample and all that is made of it goes: new, empty, or that of an earlier demo,
        whose sample is kept and whose other files are made again.

    Raises
    ------
    NgffError
        When the folder has files of somebody else, or can't be written to; nothing was touched.

    Examples
    --------
    >>> demo("try-it")  # doctest: +ELLIPSIS
    <BLANKLINE>
    1. A sample: synthetic cells, two channels, three mags, labels
    ...
    """
    place = _own(Path(folder).expanduser())
    path = _write(place)
    dt = _open(path)
    _over_http(place, Path(path).name, dt)
    _select(dt)
    _compute(path)
    _validate(path)
    picture = _plot(dt, place)
    _convert(dt, place)
    _tune(place / "from_slices.zarr")
    page = _page(dt, place)
    _next(path, picture, page)


def _own(folder: Path) -> Path:
    """Return a folder in which nothing is of somebody else."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = sorted(entry.name for entry in folder.iterdir())
    except OSError as err:
        raise nk.NgffError(
            f"the demo needs a folder, and {str(folder)!r} can't be one ({err.strerror}); "
            "name another one"
        ) from err
    others = [name for name in found if name not in _MADE]
    if others or (found and "cells.ome.zarr" not in found):
        raise nk.NgffError(
            f"{str(folder)!r} is not empty ({(others or found)[0]!r} is in it), and not of an "
            "earlier demo; name a folder that is new, or empty"
        )
    return folder


def _say(title: str, *code: str) -> None:
    print(f"\n\033[1m{title}\033[0m" if _colours() else f"\n{title}")
    for line in code:
        print(f"  >>> {line}")


def _colours() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _show(value: object) -> None:
    for line in str(value).splitlines():
        print(f"  {line}")


def _write(folder: Path) -> str:
    path = folder / "cells.ome.zarr"
    _say("1. A sample: synthetic cells, two channels, three mags, labels", f'nk.sample("{path}")')
    made = nk.sample(path)
    files = [file for file in Path(made).rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    _show(f"{made}: {size / 1e6:.1f} MB in {len(files)} files")
    return str(made)


def _open(path: str) -> xr.DataTree:
    _say("2. Open it: labelled and lazy, nothing but metadata is read", f'dt = nk.open("{path}")')
    dt = nk.open(path)
    for node in dt.subtree:
        for name, variable in node.ds.data_vars.items():
            shape = ", ".join(f"{dim}: {size}" for dim, size in variable.sizes.items())
            _show(f"{node.path:<24} {name!s:<7} {variable.dtype} ({shape})")
    _show(f"mags {dt.ngff.mags}, voxel size {dt.ngff.voxel_size}")
    for mag in dt.ngff.mags:
        x = dt[mag].ds["x"]
        first = ", ".join(f"{value:g}" for value in x.values[:3])
        _show(f"x of mag {mag:<6} {first}, ... {x.values[-1]:g} {x.attrs['units']}")
    return dt


class _Handler(SimpleHTTPRequestHandler):
    """Serves files quietly, and parts of files, which Python's own server does not."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer a request, for a range of bytes if it asks for one."""
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        file = Path(self.translate_path(self.path))
        if wanted is None or not file.is_file():
            super().do_GET()
            return
        first, last = wanted.groups()
        body = file.read_bytes()
        start = int(first) if first else max(0, len(body) - int(last))
        stop = min(len(body), int(last) + 1) if first and last else len(body)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(body)}")
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        self.wfile.write(body[start:stop])


@contextlib.contextmanager
def _serve(folder: Path) -> Iterator[str]:
    """Serve a folder at a free port of this machine, for as long as the block runs."""
    handler = partial(_Handler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _over_http(folder: Path, name: str, local: xr.DataTree) -> None:
    with _serve(folder) as url:
        _say("3. The same over the web", f'far = nk.open("{url}/{name}")')
        far = nk.open(f"{url}/{name}")
        plane = {"c": 0, "z": 16}
        theirs, ours = (tree["2-2-1"].to_dataset().isel(plane) for tree in (far, local))
        same = bool((theirs["image"] == ours["image"]).all())
        _show(f"a plane of mag 2-2-1 read over http has the same pixels: {same}")
        if not same:
            raise nk.NgffError("pixels read over http differ from those on disk")


def _select(dt: xr.DataTree) -> None:
    code = 'cut = ds.sel(x=slice(10, 30), y=slice(20, 40), z=15.6, method="nearest")'
    _say("4. Select by micrometres, not by pixels", 'ds = dt["1"].to_dataset()', code)
    cut = dt["1"].to_dataset().sel(x=slice(10, 30), y=slice(20, 40), z=15.6, method="nearest")
    sizes = ", ".join(f"{dim}: {size}" for dim, size in cut.sizes.items())
    _show(f"({sizes}) at z = {cut.z.item():g} micrometer")
    coarse = cut.ngff.at("4-4-1")
    _show(f"cut.ngff.at('4-4-1'): the same place, {coarse.sizes['y']} x {coarse.sizes['x']} pixels")


def _compute(path: str) -> None:
    """Measure every nucleus: its volume and its mean brightness, block by block."""
    with_dask = find_spec("dask") is not None
    how = ", chunks={}" if with_dask else ""
    _say(
        f"5. Compute{' with dask' * with_dask}: volume and brightness of every nucleus",
        f'ds = xr.open_dataset("{path}", engine="ngff"{how})',
        'ids = ds.ngff.labels["nuclei"]["labels"]',
        'ds["image"].sel(c="nuclei").where(ids > 0).mean()',
    )
    ds = xr.open_dataset(path, engine="ngff", chunks={} if with_dask else None)
    ids = ds.ngff.labels["nuclei"]["labels"]
    nuclei = ds["image"].sel(c="nuclei")
    inside, outside = nuclei.where(ids > 0).mean(), nuclei.where(ids == 0).mean()
    voxel = float(np.prod(list(ds.ngff.voxel_size.values())))
    counts = np.bincount(ids.values.ravel())[1:] * voxel
    _show(f"{len(counts)} nuclei, median volume {np.median(counts):.0f} cubic micrometer")
    _show(f"mean inside {inside.compute().item():.0f}, outside {outside.compute().item():.0f}")
    if not with_dask:
        _show("block by block, on all processors: pip install 'ngffkit[dask]'")


def _validate(path: str) -> None:
    _say("6. Validate: schema, meaning, advice", f'nk.validate("{path}")')
    report = nk.validate(path)
    _show(report)
    if not report.valid:
        raise nk.NgffError("the sample is not valid")


def _plot(dt: xr.DataTree, folder: Path) -> Path:
    picture = folder / "cells.png"
    _say("7. Plot", f'dt.ngff.plot(z=16, labels="nuclei").savefig("{picture}")')
    dt.ngff.plot(z=16, labels="nuclei").savefig(picture)
    _show(picture)
    return picture


def _convert(dt: xr.DataTree, folder: Path) -> None:
    from PIL import Image

    slices, target = folder / "cells_slices", folder / "from_slices.zarr"
    slices.mkdir(exist_ok=True)
    planes = np.asarray(dt["1"].to_dataset()["image"].sel(c="membranes"))
    for z, plane in enumerate(planes):
        Image.fromarray(plane).save(slices / f"z{z:03d}.png")
    how = {"voxel_size": (0.25, 0.25, 1.0), "unit": "um"}
    said = 'voxel_size=(0.25, 0.25, 1.0), unit="um", overwrite=True'
    _say(
        "8. Convert a folder of slices: the plan first, then the pixels, then a check",
        f'plan = nk.plan("{slices}", "{target}", {said})',
        "plan.run()",
        f'nk.verify("{target}")',
    )
    plan = nk.plan(slices, target, overwrite=True, **how)
    _show(plan)
    result = plan.run()
    _show(f"{result.files} files, {result.nbytes / 1e6:.1f} MB in {result.seconds:.2f} s")
    _show(nk.verify(target))
    if not np.array_equal(nk.open_dataset(target)["image"].values, planes):
        raise nk.NgffError("the converted pixels differ from the slices")


def _tune(path: Path) -> None:
    _say(
        "9. What reading it costs, and what would cost less",
        f'nk.tune("{path}", line="S3")',
    )
    _show(nk.tune(path, line="S3"))


def _page(dt: xr.DataTree, folder: Path) -> Path:
    page = folder / "cells.html"
    _say(
        "10. A page that pans and zooms by itself, to send to somebody",
        f'dt.ngff.browse(z=16).to_html("{page}", max_bytes="3 MB")',
    )
    dt.ngff.browse(z=16).to_html(page, max_bytes="3 MB")
    _show(f"{page}: {page.stat().st_size / 1e6:.1f} MB")
    return page


def _next(path: str, picture: Path, page: Path) -> None:
    program = _program("ngffkit")
    _say("What next")
    _show(
        f"look at     {picture}, and {page} in a browser\n"
        "notebooks   make lab      (notebooks/00_start.ipynb lists them)\n"
        f"terminal    {program} info {path}\n"
        f"            {program} serve {path}\n"
        f"            {program} validate https://host/your.ome.zarr\n"
        f"your data   {_program('python')}\n"
        "            >>> import ngffkit as nk\n"
        '            >>> nk.open("your.ome.zarr").ngff.describe()\n'
        f"            {program} convert slices/ out.zarr --voxel-size 4,4,40\n"
        "read        docs/opening.md, docs/converting.md, docs/coordinates.md"
    )


def _program(name: str) -> str:
    """Return how to call a program of this environment from here."""
    beside, here = Path(sys.executable).parent / name, Path.cwd()
    if not beside.exists():
        return name
    return str(beside.relative_to(here) if beside.is_relative_to(here) else beside)
