"""Pictures: pixels on the canvas, the length of the scale bar, the mag and the chunks read."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xarray as xr
import zarr
from matplotlib.figure import Figure

import ngffkit as nk
from ngffkit.errors import NgffError
from ngffkit.plots import compose, scalebar
from ngffkit.plots.figures import montage, ortho, plot
from ngffkit.stores.base import LocalStore

METADATA = (".zarray", ".zattrs", ".zgroup", ".zmetadata", "zarr.json")
TYPES = {"t": "time", "c": "channel", "angle": "angle"}


def write_image(path, arrays, axes, scales, **extra):
    """Write OME-Zarr 0.4: `arrays` finest first, `scales` per array; `units` by axis."""
    units, chunks = extra.pop("units", {}), extra.pop("chunks", None)
    origins = extra.pop("origins", [[0.0] * len(axes)] * len(arrays))
    group = zarr.open_group(str(path), mode="w", zarr_format=2)
    for i, array in enumerate(arrays):
        shape = chunks or array.shape
        kept = tuple(min(a, b) for a, b in zip(shape, array.shape, strict=True))
        made = group.create_array(
            str(i),
            shape=array.shape,
            dtype=array.dtype,
            chunks=kept,
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )
        made[...] = array
    described = [{"name": n, "type": TYPES.get(n, "space")} for n in axes]
    for axis in described:
        if axis["name"] in units:
            axis["unit"] = units[axis["name"]]
    datasets = [
        {
            "path": str(i),
            "coordinateTransformations": [
                {"type": "scale", "scale": list(map(float, scale))},
                {"type": "translation", "translation": list(map(float, origin))},
            ],
        }
        for i, (scale, origin) in enumerate(zip(scales, origins, strict=True))
    ]
    attrs = {
        "multiscales": [
            {"version": "0.4", "name": "test", "axes": described, "datasets": datasets}
        ],
        **extra,
    }
    (path / ".zattrs").write_text(json.dumps(attrs))
    return path


def write_label(image, name, array, axes, scale, **extra):
    """Write one label image below an image."""
    folder = image / "labels"
    names = []
    if (folder / ".zattrs").exists():
        names = json.loads((folder / ".zattrs").read_text())["labels"]
    else:
        zarr.open_group(str(folder), mode="w", zarr_format=2)
    (folder / ".zattrs").write_text(json.dumps({"labels": [*names, name]}))
    info = extra.pop("info", {"version": "0.4"})
    write_image(folder / name, [array], axes, [scale], **{"image-label": info}, **extra)


def pyramid(path, size=512, levels=4, depth=8):
    """Write a z, y, x pyramid, binned in y and x, in chunks of one plane's 64 × 64."""
    base = np.random.default_rng(0).integers(0, 255, (depth, size, size), np.uint8)
    arrays = [base[:, :: 2**i, :: 2**i] for i in range(levels)]
    scales = [(2.0, 0.5 * 2**i, 0.5 * 2**i) for i in range(levels)]
    origins = [(0.0, *[(0.5 * 2**i - 0.5) / 2] * 2) for i in range(levels)]
    return write_image(
        path,
        arrays,
        "zyx",
        scales,
        origins=origins,
        chunks=(1, 64, 64),
        units=dict.fromkeys("zyx", "micrometer"),
    )


@pytest.fixture
def keys(monkeypatch):
    """Return the chunk keys that are read from local stores, as they come."""
    seen = []
    get = LocalStore.get

    def counted(self, key, *args, **kwargs):
        if not key.endswith(METADATA):
            seen.append(f"{self.root}/{key}")
        return get(self, key, *args, **kwargs)

    monkeypatch.setattr(LocalStore, "get", counted)
    return seen


def canvas(figure: Figure) -> np.ndarray:
    """Return what is on the canvas, (rows, columns, RGB)."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)


def at(figure, ax, x, y):
    """Return the colour on the canvas at a place in the data."""
    pixels = canvas(figure)
    column, row = ax.transData.transform((x, y))
    return pixels[int(pixels.shape[0] - row), int(column)].tolist()


def bar_of(ax):
    """Return the scale bar: its rectangle and what is written above it."""
    from matplotlib.patches import Rectangle
    from matplotlib.text import Text

    (bar,) = ax.findobj(lambda a: isinstance(a, Rectangle) and a.get_gid() == "scale-bar")
    box = next(a for a in ax.artists if bar in a.findobj())
    (text,) = [t.get_text() for t in box.findobj(Text) if t.get_text()]
    return bar, text


def title(figure):
    return figure.axes[0].get_title(loc="left")


# --- compose: by hand ---------------------------------------------------------------------------


def test_composite_by_hand():
    planes = np.array([[[0, 50, 100, 200]], [[10, 10, 20, 30]]], np.uint16)
    made = compose.composite(planes, [(1, 0, 0), (0, 0.5, 1)], [(0, 100), (10, 20)])
    assert made.dtype == np.uint8
    assert made.shape == (1, 4, 3)
    assert made[0].tolist() == [[0, 0, 0], [128, 0, 0], [255, 128, 255], [255, 128, 255]]


def test_composite_adds_and_clips_at_white():
    planes = np.ones((3, 1, 1))
    made = compose.composite(planes, [(1, 0.2, 0), (0, 0.2, 1), (1, 0.2, 1)], [(0, 1)] * 3)
    assert made[0, 0].tolist() == [255, 153, 255]


def test_composite_of_what_is_no_number():
    values = np.array([[[np.nan, -np.inf, np.inf, 0.5]]])
    made = compose.composite(values, [(1, 1, 1)], [(0, 1)])
    assert made[0, :, 0].tolist() == [0, 0, 255, 128]


def test_composite_of_64_bit_integers_and_inverted_windows():
    big = np.array([[[0, 2**62, 2**63 - 1]]], np.uint64)
    made = compose.composite(big, [(1, 1, 1)], [(0, 2**63 - 1)])
    assert made[0, :, 0].tolist() == [0, 128, 255]
    assert compose.composite(big, [(1, 1, 1)], [(2**63, 0)])[0, :, 0].tolist() == [255, 128, 0]
    assert compose.composite(big, [(1, 1, 1)], [(5, 5)])[0, :, 0].tolist() == [0, 255, 255]


def test_composite_raises_shades_to_gamma():
    planes = np.array([[[0, 25, 100, 400]]] * 2, np.uint16)
    made = compose.composite(planes, [(1, 0, 0), (0, 1, 0.5)], [(0, 100), (100, 0)], [0.5, 2])
    # the second channel is inverted: 1, 0.75 ** 2, 0, 0
    assert made[0].tolist() == [[0, 255, 128], [128, 143, 72], [255, 0, 0], [255, 0, 0]]
    plain = compose.composite(planes, [(1, 0, 0)] * 2, [(0, 100)] * 2)
    assert (compose.composite(planes, [(1, 0, 0)] * 2, [(0, 100)] * 2, [1, 1]) == plain).all()
    # a shade that was a threshold, and what is no number, stay 0 or 1
    odd = np.array([[[np.nan, 5.0, 6.0]]])
    assert compose.composite(odd, [(1, 1, 1)], [(5, 5)], [0.3])[0, :, 0].tolist() == [0, 0, 255]


def test_composite_says_what_does_not_fit():
    with pytest.raises(NgffError, match=r"2 colours, 1 windows and 1 gammas .* \(1, 1, 1\)"):
        compose.composite(np.zeros((1, 1, 1)), [(1, 1, 1)] * 2, [(0, 1)])
    with pytest.raises(NgffError, match=r"1 colours, 1 windows and 2 gammas"):
        compose.composite(np.zeros((1, 1, 1)), [(1, 1, 1)], [(0, 1)], [1, 1])
    for gamma in (0, -1, np.nan, np.inf):
        with pytest.raises(NgffError, match=r"gamma is .* positive"):
            compose.composite(np.zeros((1, 1, 1)), [(1, 1, 1)], [(0, 1)], [gamma])
    with pytest.raises(NgffError, match="can't be drawn"):
        compose.composite(np.full((1, 1, 1), "a"), [(1, 1, 1)], [(0, 1)])


@pytest.mark.parametrize(
    ("values", "window"),
    [
        (np.arange(1001), (5, 995)),
        (np.zeros(5, bool), (0, 1)),
        (np.array([np.nan, np.inf, 1.0, 3.0]), (1.01, 2.99)),
        (np.array([np.nan]), (0, 1)),
        (np.array([]), (0, 1)),
        (np.full(4, 7), (0, 7)),
        (np.full(4, -7), (-7, 0)),
        (np.r_[np.zeros(9999), 5.0], (0, 5)),  # one bright spot is seen
        (np.array([3 + 4j, 0j]), (0.025, 4.975)),
    ],
)
def test_window_of(values, window):
    assert compose.window_of(values) == pytest.approx(window)


def test_window_of_several_is_one():
    parts = [np.arange(0, 501), np.arange(501, 1001)]
    assert compose.window_of(parts) == compose.window_of(np.arange(1001))


def test_default_colors():
    assert compose.default_colors([None]) == ("FFFFFF",)
    assert compose.default_colors([None, "ff00ff"]) == ("00FF00", "ff00ff")
    assert len(set(compose.default_colors([None] * 6))) == 6
    assert len(compose.default_colors([None] * 20)) == 20


def test_colours_are_understood_or_refused():
    assert compose.parse_color("#FF000080") == (1, 0, 0)
    for wrong in ("red", "12345", (2, 0, 0), (1, 0)):
        with pytest.raises(NgffError, match="is no colour"):
            compose.parse_color(wrong)


def test_label_colors_are_the_same_on_every_machine():
    # these must never change: people remember which cell is the green one
    ids = np.array([0, 1, 2, 3, 1000, 2**32 + 1, 2**63, 2**64 - 1], np.uint64)
    colors = "00000000 3c6ce2ff 8ddd1cff e918cfff f37352ff eab641ff 1bfdfdff 55d57aff"
    assert compose.label_colors(ids).tobytes() == bytes.fromhex(colors)


def test_label_colors_do_not_depend_on_type_or_neighbours():
    ids = np.array([[5, 9], [0, 77]])
    for dtype in (np.uint8, np.int32, np.uint64, np.int16):
        assert (compose.label_colors(ids.astype(dtype)) == compose.label_colors(ids)).all()
    assert (compose.label_colors(ids[:1])[0] == compose.label_colors(ids)[0]).all()
    assert (
        compose.label_colors(np.array([-1], np.int8)) == compose.label_colors(np.array([-1]))
    ).all()
    assert compose.label_colors(np.array([False, True]))[:, 3].tolist() == [0, 255]


def test_label_colors_differ_and_are_seen_on_black():
    made = compose.label_colors(np.arange(1, 3001)).astype(int)[:, :3]
    assert len(np.unique(made, axis=0)) > 2900
    assert np.abs(np.diff(made, axis=0)).sum(axis=1).min() > 60  # neighbours in number
    assert (made @ [0.299, 0.587, 0.114]).min() > 0.4 * 255


def test_label_colors_that_were_chosen():
    made = compose.label_colors(np.array([0, 4, 5]), {0: (9, 9, 9, 255), 4: (1, 2, 3, 128)})
    assert made[:2].tolist() == [[0, 0, 0, 0], [1, 2, 3, 128]]
    with pytest.raises(NgffError, match="whole numbers"):
        compose.label_colors(np.array([0.5]))


def test_outline_by_hand():
    ids = np.array([[1, 1, 1, 2], [1, 1, 1, 2], [0, 0, 0, 2], [0, 0, 0, 2]])
    edge = [[0, 0, 1, 1], [1, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 1]]
    assert compose.outline(ids).astype(int).tolist() == edge
    wide = [[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 1], [0, 0, 0, 1]]
    assert compose.outline(ids, 2).astype(int).tolist() == wide
    assert not compose.outline(np.array([[3]]), 5).any()


# --- lengths ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "length"),
    [(1, 1), (1.99, 1), (2, 2), (4.9, 2), (5, 5), (99, 50), (0.00031, 0.0002), (3e9, 2e9)],
)
def test_nice_length(limit, length):
    assert scalebar.nice_length(limit) == length


def test_nice_length_refuses_nothing():
    for wrong in (0, -1, np.nan, np.inf):
        with pytest.raises(ValueError, match="positive"):
            scalebar.nice_length(wrong)


@pytest.mark.parametrize(
    ("length", "unit", "text"),
    [
        (20, "micrometer", "20 µm"),
        (0.2, "micrometer", "200 nm"),
        (5000, "nanometer", "5 µm"),
        (1000, "micrometer", "1 mm"),
        (50, "centimeter", "500 mm"),
        (200, "angstrom", "20 nm"),
        (1, "angstrom", "0.1 nm"),
        (0.01, "angstrom", "1 pm"),
        (2000, "meter", "2 km"),
        (10, "um", "10 µm"),
        (10, "μm", "10 µm"),  # the Greek letter, which people type
        (10, "microns", "10 µm"),
        (10, "pixel", "10 px"),
        (10, None, "10 px"),
        (5, "inch", "5 in"),
        (5, "furlong", "5 furlong"),
    ],
)
def test_length_text(length, unit, text):
    assert scalebar.length_text(length, unit) == text


def test_ratio_of_units():
    assert scalebar.ratio("nanometer", "micrometer") == 0.001
    assert scalebar.ratio("hour", "second") == 3600
    assert scalebar.ratio("second", "micrometer") is None
    assert scalebar.ratio("furlong", "micrometer") is None


# --- a plane ------------------------------------------------------------------------------------


@pytest.fixture
def two_channels(tmp_path):
    values = np.zeros((2, 4, 8), np.uint16)
    values[0, 0, 0], values[0, 0, 1], values[1, 0, 1], values[1, 3, 7] = 100, 50, 300, 200
    channels = [
        {"label": "A", "color": "FF0000", "window": {"start": 0, "end": 100, "min": 0, "max": 9}},
        {"label": "B", "color": "0080FF", "window": {"start": 100, "end": 300, "min": 0, "max": 9}},
    ]
    return write_image(
        tmp_path / "two.zarr",
        [values],
        "cyx",
        [(1, 2, 2)],
        units={"y": "micrometer", "x": "micrometer"},
        omero={"channels": channels},
    )


def test_the_canvas_shows_the_composite(two_channels):
    figure = plot(nk.open(two_channels), scalebar=False, legend=False)
    (ax,) = figure.axes
    expected = {
        (0, 0): [255, 0, 0],
        (2, 0): [128, 128, 255],
        (14, 6): [0, 64, 128],
        (6, 4): [0, 0, 0],
    }
    assert {place: at(figure, ax, *place) for place in expected} == expected
    assert ax.get_xlabel() == "x (µm)"
    assert title(figure) == "test\nmag 1"
    # edges of pixels, not their centres, bound the picture
    assert ax.get_xlim() == (-1, 15)
    assert ax.get_ylim() == (7, -1)


def test_channels_by_name_and_number(two_channels):
    tree = nk.open(two_channels)
    for channels in ("B", ["B"], 1, [1], [-1]):
        figure = plot(tree, channels=channels, scalebar=False)
        assert at(figure, figure.axes[0], 2, 0) == [0, 128, 255]
        assert title(figure) == "test\nmag 1 · B"
        assert figure.axes[0].get_legend() is None
    assert at(plot(tree, c="A"), plot(tree, c="A").axes[0], 0, 0) == [255, 0, 0]
    legend = plot(tree).axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["A", "B"]
    for wrong in ("C", 2, [True and "D"]):
        with pytest.raises(NgffError, match="the channels are 0: 'A', 1: 'B'"):
            plot(tree, channels=wrong)
    with pytest.raises(NgffError, match="channels is empty"):
        plot(tree, channels=[])


def test_colours_and_windows_of_ones_own(two_channels):
    tree = nk.open(two_channels)
    quiet = {"scalebar": False, "legend": False}
    figure = plot(tree, channels="A", colors="00FF00", windows=(0, 200), **quiet)
    assert at(figure, figure.axes[0], 0, 0) == [0, 128, 0]
    figure = plot(tree, colors={"A": "0000FF"}, windows={"A": (0, 400)}, **quiet)
    assert at(figure, figure.axes[0], 0, 0) == [0, 0, 64]
    figure = plot(tree, colors=["00FF00", (1, 0, 1)], windows=[(0, 50), (0, 600)], **quiet)
    assert at(figure, figure.axes[0], 2, 0) == [128, 255, 128]
    with pytest.raises(NgffError, match="1 colors for 2 channels"):
        plot(tree, colors=["00FF00"])
    with pytest.raises(NgffError, match="3 windows for 2 channels"):
        plot(tree, windows=[(0, 1)] * 3)


def test_windows_that_writers_fill_in_unasked_are_not_believed(tmp_path):
    values = np.arange(32, dtype=np.uint16).reshape(2, 4, 4)
    window = {"start": 0, "end": 65535, "min": 0, "max": 65535}
    channels = [{"label": n, "color": "FFFFFF", "window": window} for n in "AB"]
    path = write_image(
        tmp_path / "a.zarr", [values], "cyx", [(1, 1, 1)], omero={"channels": channels}
    )
    figure = plot(nk.open(path), scalebar=False, legend=False)
    # bright, though 15 is nothing in 65535; green and magenta, though both are said to be white
    assert at(figure, figure.axes[0], 3, 3) == [255, 255, 255]
    figure = plot(nk.open(path), channels=0, colors="FFFFFF", percentiles=(0, 100))
    assert figure.axes[0].images[0].get_array()[..., 0].ravel().tolist() == [
        round(255 * v / 15) for v in range(16)
    ]


def test_hidden_and_too_many_channels(tmp_path):
    values = np.zeros((9, 4, 4), np.uint8)
    path = write_image(tmp_path / "many.zarr", [values], "cyx", [(1, 1, 1)])
    figure = plot(nk.open(path))
    assert title(figure) == "test\nmag 1 · 6 of 9 channels"
    channels = [{"label": f"{i}", "color": "FF0000", "active": i == 3} for i in range(9)]
    attrs = json.loads((path / ".zattrs").read_text()) | {"omero": {"channels": channels}}
    (path / ".zattrs").write_text(json.dumps(attrs))
    assert "1 of 9 channels" in title(plot(nk.open(path)))


@pytest.mark.parametrize("unit", ["micrometer", "nanometer", None])
@pytest.mark.parametrize("step", [0.35, 1.0])
def test_the_scale_bar_is_as_long_as_it_says(unit, step):
    x = xr.Variable("x", np.arange(300) * step, {"units": unit} if unit else {})
    y = xr.Variable("y", np.arange(200) * step, {"units": unit} if unit else {})
    da = xr.DataArray(np.zeros((200, 300)), dims=("y", "x"), coords={"y": y, "x": x})
    figure = plot(da)
    figure.canvas.draw()
    (ax,) = figure.axes
    bar, text = bar_of(ax)
    length, shown = text.split(" ", 1)
    assert shown == {"micrometer": "µm", "nanometer": "nm"}.get(
        unit, "px" if step == 1 else "(no unit)"
    )
    box = bar.get_window_extent()
    per_pixel = 300 * step / ax.get_window_extent().width
    assert box.width * per_pixel == pytest.approx(float(length), rel=1e-3)
    assert 2 <= box.height / figure.dpi * 72 <= 4
    # and it is on the canvas: a white run of that many pixels
    row = canvas(figure)[int(figure.bbox.height - (box.y0 + box.y1) / 2)]
    assert (row[int(box.x0) - 8 : int(box.x1) + 8] == 255).all(axis=1).sum() == pytest.approx(
        box.width, abs=1.5
    )
    # zooming in keeps it true
    ax.set_xlim(10 * step, 200 * step)
    figure.canvas.draw()
    zoomed = bar.get_window_extent().width * 190 * step / ax.get_window_extent().width
    assert zoomed == pytest.approx(float(length), rel=1e-3)


def test_places_are_physical_and_nearest(tmp_path):
    values = np.arange(3 * 5, dtype=np.uint8).reshape(3, 5, 1, 1) * np.ones((1, 1, 4, 4), np.uint8)
    path = write_image(
        tmp_path / "tz.zarr",
        [values],
        "tzyx",
        [(1.5, 2.5, 1, 1)],
        units={"t": "second", "z": "micrometer"},
    )
    tree = nk.open(path)

    def shown(**where):
        figure = plot(tree, windows=(0, 255), **where)
        return int(figure.axes[0].images[0].get_array()[0, 0, 0]), title(figure).split("\n")[1]

    assert shown() == (2, "mag 1 · t = 0 s · z = 5 µm")  # first of time, middle of space
    assert shown(z=7.1, t=3) == (13, "mag 1 · t = 3 s · z = 7.5 µm")
    assert shown(sel={"z": 0}, t=1.4) == (5, "mag 1 · t = 1.5 s · z = 0 µm")
    # what was chosen before is told too
    ds = tree["1"].to_dataset().sel(z=10.0, t=1.5)
    assert title(plot(ds)) == "test\nmag 1 · t = 1.5 s · z = 10 µm"
    with pytest.raises(NgffError, match=r"z=99 lies outside .* from 0.0 to 10.0"):
        plot(tree, z=99)
    with pytest.raises(NgffError, match="a picture lies at one position"):
        plot(tree, z=slice(0, 5))
    with pytest.raises(NgffError, match="is drawn, so it takes a range"):
        plot(tree, x=1)
    with pytest.raises(NgffError, match="z='top' is no position"):
        plot(tree, z="top")
    with pytest.raises(NgffError, match=r"neither an axis of this image .* nor an option"):
        plot(tree, zz=1)
    with pytest.raises(NgffError, match="there is no axis 'w'"):
        plot(tree, sel={"w": 1})
    with pytest.raises(NgffError, match="nothing to draw"):
        plot(tree, x=slice(100, 200))


# --- the mag, and what is read ------------------------------------------------------------------


def test_the_mag_suits_the_figure_and_nothing_else_is_read(tmp_path, keys):
    tree = nk.open(pyramid(tmp_path / "p.zarr"))
    assert not keys
    # 512 pixels of 0.5 µm on 1.3 inches: 130 pixels across, so 256 suffice and 128 don't
    figure = plot(tree, size=1.3, dpi=100, z=6.0)
    assert title(figure).endswith("mag 2-2-1 · z = 6 µm")
    assert figure.axes[0].images[0].get_array().shape[:2] == (256, 256)
    root = tmp_path / "p.zarr"
    assert sorted(keys) == sorted(f"{root}/1/3/{y}/{x}" for y in range(4) for x in range(4))
    keys.clear()
    # twice the pixels want twice the mag
    assert "mag 1 ·" in title(plot(tree, size=1.3, dpi=200, z=6.0))
    keys.clear()
    # a crop is drawn finer, and read alone
    figure = plot(tree, x=slice(40, 60), y=slice(100, 120), size=1, dpi=30, z=6.0)
    assert title(figure).endswith("mag 1 · z = 6 µm")
    assert sorted(keys) == sorted(f"{root}/0/3/{y}/{x}" for y in (3,) for x in (1,))
    assert figure.axes[0].get_xlim() == (39.75, 60.25)
    keys.clear()
    # what is one mag already stays it
    figure = plot(tree["1"].to_dataset(), size=1, dpi=50)
    assert figure.axes[0].images[0].get_array().shape[:2] == (512, 512)
    assert len(keys) == 64
    keys.clear()
    assert "mag 8-8-1" in title(plot(tree, mag="8-8-1", size=5))
    assert len(keys) == 1
    with pytest.raises(NgffError, match="no mag '16-16-1'; this image has 1, 2-2-1"):
        plot(tree, mag="16-16-1")


def test_a_coarse_axis_does_not_make_the_others_be_read_finely(tmp_path, keys):
    tree = nk.open(pyramid(tmp_path / "p.zarr"))
    # z is 2 µm per pixel at every mag, coarser than this figure's pixels; x is not
    figure = plot(tree, plane="xz", size=1.3, dpi=100)
    assert "mag 2-2-1" in title(figure)
    assert figure.axes[0].images[0].get_array().shape[:2] == (8, 256)
    assert len(keys) == 8 * 4


def test_labels_are_read_no_finer_and_no_further_than_shown(tmp_path, keys):
    image = pyramid(tmp_path / "p.zarr")
    ids = np.ones((8, 512, 512), np.uint32)
    write_label(
        image,
        "cells",
        ids,
        "zyx",
        (2.0, 0.5, 0.5),
        chunks=(1, 64, 64),
        units=dict.fromkeys("zyx", "micrometer"),
    )
    tree = nk.open(image)
    plot(tree, x=slice(40, 60), y=slice(100, 120), size=1, dpi=30, z=6.0, labels=True)
    assert sorted(keys) == sorted([f"{image}/0/3/3/1", f"{image}/labels/cells/0/3/3/1"])


def test_drawing_into_given_axes_looks_at_their_size(tmp_path, keys):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    tree = nk.open(pyramid(tmp_path / "p.zarr"))
    figure = Figure(figsize=(4, 4), dpi=100)
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0.3, 0.3, 0.25, 0.25))  # 100 pixels
    assert plot(tree, ax=ax) is ax
    assert "mag 4-4-1" in ax.get_title(loc="left")
    assert {key.split("/")[-4] for key in keys} == {"2"}
    assert len(figure.axes) == 1


def test_dask_and_plain_trees(tmp_path):
    path = pyramid(tmp_path / "p.zarr", size=64, levels=2)
    lazy, dask = nk.open(path), nk.open(path, chunks={})
    a, b = (plot(tree, size=0.3).axes[0].images[0].get_array() for tree in (lazy, dask))
    assert (a == b).all()
    # a tree that lost its levels draws those it has
    only = xr.DataTree.from_dict({"/": lazy.to_dataset(), "/2-2-1": lazy["2-2-1"].to_dataset()})
    assert "mag 2-2-1" in title(plot(only))


# --- shapes, types, axes ------------------------------------------------------------------------


def test_physical_aspect_of_anisotropic_planes(tmp_path):
    path = write_image(
        tmp_path / "a.zarr",
        [np.zeros((10, 40, 60), np.uint8)],
        "zyx",
        [(2500, 0.5, 0.5)],
        units={"z": "nanometer", "y": "micrometer", "x": "micrometer"},
    )
    for plane, ratio in (("xy", 20 / 30), ("xz", 25 / 30), ("yz", 25 / 20), ("zy", 20 / 25)):
        figure = plot(nk.open(path), plane=plane)
        (ax,) = figure.axes
        canvas(figure)
        box = ax.get_window_extent()
        assert box.height / box.width == pytest.approx(ratio, rel=1e-6)
        assert max(box.width, box.height) == pytest.approx(5.5 * figure.dpi)
        assert ax.get_xlabel()[0] + ax.get_ylabel()[0] == plane
    assert plot(nk.open(path), plane="xz").axes[0].get_ylabel() == "z (nm)"


@pytest.mark.parametrize(
    "values",
    [
        np.array([[0.0, np.nan], [0.5, 1.0]], np.float32),
        np.array([[-1000, -500], [0, 1000]], np.int16),
        np.array([[1, 40000], [60000, 65535]], np.uint16),
        np.array([[False, False], [True, True]]),
        np.array([[-(2**62), 0], [1, 2**62]]),
        np.array([[0j, 1], [2, 5j]]),
        np.array([[1, 2], [3, 4]], ">u2"),
        np.array([[0.1, 0.2], [0.3, 0.4]], np.float16),
    ],
    ids=lambda values: values.dtype.str,
)
def test_every_type_is_drawn_from_black_to_white(values):
    figure = plot(xr.DataArray(values, dims=("y", "x")), scalebar=False)
    assert at(figure, figure.axes[0], 0, 0) == [0, 0, 0]
    assert at(figure, figure.axes[0], 1, 1) == [255, 255, 255]


@pytest.mark.parametrize(("value", "grey"), [(0, 0), (7, 255), (-3.5, 0), (np.nan, 0)])
def test_constant_images_and_single_pixels(value, grey):
    for shape in ((5, 5), (1, 1), (1, 300), (300, 1)):
        figure = plot(xr.DataArray(np.full(shape, value), dims=("y", "x")), scalebar=False)
        middle = (shape[1] // 2, shape[0] // 2)
        assert at(figure, figure.axes[0], *middle) == [grey] * 3
        box = figure.axes[0].get_window_extent()
        assert min(box.width, box.height) > 10


def test_unusual_axes(tmp_path):
    values = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    path = write_image(
        tmp_path / "angle.zarr",
        [values],
        ("angle", "y", "x"),
        [(30, 1, 1)],
        units={"angle": "degree"},
    )
    figure = plot(nk.open(path), angle=62)
    assert title(figure) == "test\nmag 1 · angle = 60°"
    figure = plot(nk.open(path), plane=("x", "angle"), y=3)
    assert figure.axes[0].get_ylabel() == "angle (°)"
    assert figure.axes[0].images[0].get_array().shape == (3, 5, 3)
    with pytest.raises(NgffError, match=r"no axis 'z' to draw; the axes are angle, y, x"):
        plot(nk.open(path), plane="xz")
    with pytest.raises(NgffError, match="a plane has two axes"):
        plot(nk.open(path), plane="xyz")
    # an angle and a place have no scale in common: no bar, no shape
    assert not [a for a in figure.axes[0].artists if hasattr(a, "get_child")]


def test_axes_in_any_order(tmp_path):
    values = np.random.default_rng(1).integers(0, 255, (7, 5, 3, 2), np.uint8)
    path = write_image(tmp_path / "xyzc.zarr", [values], "xyzc", [(1, 1, 1, 1)])
    picture = plot(nk.open(path), channels=[1], colors="FFFFFF", windows=(0, 255))
    shown = picture.axes[0].images[0].get_array()
    assert (shown[..., 0] == values[:, :, 1, 1].T).all()
    assert shown.shape == (5, 7, 3)


def test_no_y_or_x():
    cube = xr.DataArray(np.zeros((2, 3, 4)), dims=("a", "b", "d"))
    with pytest.raises(NgffError, match=r"axes are a, b, d: .* plane=\('d', 'b'\)"):
        plot(cube)
    assert plot(cube, plane=("d", "b")).axes[0].get_xlabel() == "d (px)"
    # two axes leave no doubt
    assert plot(cube.isel(a=0)).axes[0].get_ylabel() == "b (px)"
    with pytest.raises(NgffError, match="the axes are x: a picture needs two"):
        plot(xr.DataArray(np.zeros(4), dims="x"))
    with pytest.raises(NgffError, match="can't draw a str"):
        plot("x.zarr")


def test_crops_strides_and_arithmetic_are_drawn_where_they_are(two_channels):
    ds = nk.open(two_channels)["1"].to_dataset()
    cut = (ds.image.astype(float) * 2).isel(x=slice(1, None, 3), y=slice(1, 3))
    (ax,) = plot(cut).axes
    assert ax.get_xlim() == (-1, 17)  # centres 2, 8, 14, 6 apart
    assert ax.get_ylim() == (5, 1)
    uneven = ds.assign_coords(x=np.arange(8.0) ** 2)
    with pytest.raises(NgffError, match="not evenly spaced"):
        plot(uneven)


def test_uneven_time_and_dates_do_not_matter_to_a_plane():
    times = np.array(["2024-01-01T00:00:00", "2024-01-03T12:00:00"], "datetime64[ns]")
    da = xr.DataArray(
        np.arange(8).reshape(2, 2, 2), dims=("t", "y", "x"), coords={"t": times}, name="film"
    )
    assert title(plot(da, t="2024-01-03")) == "film\nt = 2024-01-03T12:00:00"
    seconds = da.isel(t=[0, 1, 1]).assign_coords(t=[0.0, 1.0, 10.0])
    assert title(plot(seconds, t=9)) == "film\nt = 10"


def test_options_are_checked():
    da = xr.DataArray(np.eye(4), dims=("y", "x"))
    for wrong in (
        {"opacity": 2},
        {"percentiles": (5, 1)},
        {"size": 0},
        {"dpi": np.inf},
        {"kind": "mask"},
        {"windows": "nice"},
    ):
        with pytest.raises(NgffError, match=next(iter(wrong))):
            plot(da, **wrong)
    assert title(plot(da, title=False)) == ""
    assert title(plot(da, title="mine")) == "mine"
    assert not plot(da, ticks=False).axes[0].get_xlabel()
    assert len(plot(da, scalebar=False).axes[0].artists) == 0


# --- labels -------------------------------------------------------------------------------------


@pytest.fixture
def labelled(tmp_path):
    image = write_image(
        tmp_path / "l.zarr", [np.full((3, 8, 8), 200, np.uint8)], "zyx", [(1, 1, 1)]
    )
    ids = np.zeros((3, 8, 8), np.uint16)
    ids[1, :4, :4], ids[1, 4:, 4:] = 1, 300
    info = {"version": "0.4", "colors": [{"label-value": 300, "rgba": [0, 255, 0, 255]}]}
    write_label(image, "cells", ids, "zyx", (1, 1, 1), info=info)
    fine = np.zeros((4, 8), np.int64)
    fine[:2, :2] = 2**40
    write_label(image, "fine", fine, "yx", (0.5, 0.5), origins=[(1.75, 3.75)])
    return image


def test_labels_lie_over_the_picture(labelled):
    tree = nk.open(labelled)
    quiet = {"scalebar": False, "windows": (0, 400)}
    figure = plot(tree, labels="cells", **quiet)
    (ax,) = figure.axes
    own = compose.label_colors(np.array([1]))[0, :3]
    blend = ((own.astype(float) + 128) / 2).tolist()
    assert at(figure, ax, 1, 1) == pytest.approx(blend, abs=1)
    assert at(figure, ax, 6, 6) == pytest.approx([64, 191.5, 64], abs=1)
    assert at(figure, ax, 6, 1) == [128] * 3
    figure = plot(tree, labels="cells", opacity=1.0, **quiet)
    assert at(figure, figure.axes[0], 6, 6) == [0, 255, 0]
    # at another z there are none
    figure = plot(tree, labels="cells", z=0, **quiet)
    assert at(figure, figure.axes[0], 6, 6) == [128] * 3


def test_outlines(labelled):
    figure = plot(nk.open(labelled), labels="cells", outline=True, scalebar=False, windows=(0, 400))
    (ax,) = figure.axes
    assert at(figure, ax, 4, 6) == [0, 255, 0]
    assert at(figure, ax, 6, 6) == [128] * 3


def test_labels_finer_and_elsewhere(labelled):
    figure = plot(nk.open(labelled), labels=["fine"], opacity=1.0, scalebar=False, windows=(0, 400))
    (ax,) = figure.axes
    own = compose.label_colors(np.array([2**40]))[0, :3].tolist()
    # the pixel of y = 2, x = 4 is where the label's first four lie
    assert at(figure, ax, 3.6, 1.6) == own
    assert at(figure, ax, 4.4, 2.4) == own
    assert at(figure, ax, 4.6, 2.4) == at(figure, ax, 3.4, 1.6) == [128] * 3
    assert ax.get_xlim() == (-0.5, 7.5)


def test_labels_handed_over(labelled):
    tree = nk.open(labelled)
    ids = tree["labels/cells/1"].labels
    bare = ids.drop_vars(["z", "y", "x"])
    bare_plane = bare.isel(z=1)
    for labels in (ids, tree["labels/cells"], ids.to_dataset(), [ids], ids.isel(z=1), bare_plane):
        figure = plot(tree, labels=labels, opacity=1.0, scalebar=False)
        assert at(figure, figure.axes[0], 6, 6) == [0, 255, 0]
    # without coordinates they lie as the image does
    figure = plot(tree, labels=xr.DataArray(ids.values, dims=ids.dims), z=1, opacity=1.0)
    own = compose.label_colors(np.array([300]))[0, :3].tolist()
    assert at(figure, figure.axes[0], 6, 5) == own
    # from a mag of the image, too, and where labels were not opened
    figure = plot(tree["1"].to_dataset(), labels=True, opacity=1.0, scalebar=False)
    assert at(figure, figure.axes[0], 6, 6) == [0, 255, 0]
    ds = xr.open_dataset(labelled, engine="ngff")
    figure = plot(ds, labels="cells", opacity=1.0, scalebar=False)
    assert at(figure, figure.axes[0], 6, 6) == [0, 255, 0]
    with pytest.raises(NgffError, match="no labels 'nuclei'; this image has 'cells', 'fine'"):
        plot(tree, labels="nuclei")
    with pytest.raises(NgffError, match="has no label images"):
        plot(tree["labels/cells"], labels=True)
    with pytest.raises(NgffError, match="no coordinate 'y' and 4 pixels"):
        plot(tree, labels=xr.DataArray(np.ones((4, 8), int), dims=("y", "x")))
    with pytest.raises(NgffError, match="the labels have no axis 'x'"):
        plot(tree, labels=ids.isel(x=0))


def test_a_label_image_alone(labelled):
    figure = plot(nk.open(labelled)["labels/cells"], scalebar=False)
    (ax,) = figure.axes
    assert at(figure, ax, 6, 6) == [0, 255, 0]
    assert at(figure, ax, 6, 1) == [0, 0, 0]
    ids = xr.DataArray(np.array([[0, 5]]), dims=("y", "x"))
    figure = plot(ids, kind="label", scalebar=False)
    assert at(figure, figure.axes[0], 1, 0) == compose.label_colors(np.array([5]))[0, :3].tolist()


# --- three planes, many planes ------------------------------------------------------------------


def test_ortho(tmp_path):
    values = np.random.default_rng(2).integers(0, 255, (6, 20, 30), np.uint8)
    path = write_image(
        tmp_path / "o.zarr",
        [values],
        "zyx",
        [(2000, 1, 1)],
        units={"z": "nanometer", "y": "micrometer", "x": "micrometer"},
    )
    figure = ortho(nk.open(path), {"x": 7.2, "z": 3900}, windows=(0, 255))
    xy, xz, zy = figure.axes
    assert (xy.images[0].get_array()[..., 0] == values[2]).all()
    assert (xz.images[0].get_array()[..., 0] == values[:, 10]).all()
    assert (zy.images[0].get_array()[..., 0] == values[:, :, 7].T).all()
    assert title(figure) == "test\nmag 1 · x = 7 µm · y = 10 µm · z = 4000 nm"
    canvas(figure)
    boxes = [ax.get_window_extent() for ax in (xy, xz, zy)]
    per_um = boxes[0].width / 30
    assert boxes[0].height / 20 == pytest.approx(per_um)
    assert (boxes[1].width / 30, boxes[1].height / 12) == pytest.approx((per_um, per_um))
    assert (boxes[2].width / 12, boxes[2].height / 20) == pytest.approx((per_um, per_um))
    # panels that share an axis lie side by side
    assert boxes[0].x0 == pytest.approx(boxes[1].x0)
    assert boxes[0].y0 == pytest.approx(boxes[2].y0)
    crossed = [
        sorted(
            float(np.unique(line.get_xdata() if i == 0 else line.get_ydata())[0])
            for i, line in enumerate(ln for ln in ax.lines if ln.get_gid() == "crosshair")
        )
        for ax in (xy, xz, zy)
    ]
    assert crossed == [[7, 10], [7, 4000], [10, 4000]]
    assert bar_of(xy)[1].endswith("µm")


def test_ortho_crops_and_refuses(tmp_path):
    values = np.zeros((2, 6, 20, 30), np.uint8)
    path = write_image(tmp_path / "o.zarr", [values], "tzyx", [(1, 1, 1, 1)])
    figure = ortho(nk.open(path), t=1, x=slice(10, 19), y=3)
    assert [ax.images[0].get_array().shape[:2] for ax in figure.axes] == [
        (20, 10),
        (6, 10),
        (20, 6),
    ]
    assert title(figure).endswith("x = 15 · y = 3 · z = 3 · t = 1")
    with pytest.raises(NgffError, match="there is no axis 'z', and orthogonal planes need"):
        ortho(xr.DataArray(np.zeros((4, 4)), dims=("y", "x")))
    with pytest.raises(NgffError, match="'t' is none of x, y and z"):
        ortho(nk.open(path), {"t": 1})
    with pytest.raises(NgffError, match="lies outside"):
        ortho(nk.open(path), {"x": 1000})


def test_montage(tmp_path, keys):
    values = np.arange(10, dtype=np.uint8).reshape(10, 1, 1) * np.full((1, 6, 9), 10, np.uint8)
    path = write_image(
        tmp_path / "m.zarr",
        [values],
        "zyx",
        [(2.5, 1, 1)],
        units={"z": "micrometer"},
        chunks=(1, 6, 9),
    )
    figure = montage(nk.open(path), "z", 4)
    # one contrast for all: 0 to 90, less the percentiles' tails
    greys = [int(ax.images[0].get_array()[0, 0, 0]) for ax in figure.axes]
    assert greys == [0, 85, 170, 255]
    # a plane that was left out is looked for under the other separator, once
    chunks = [key.split("/") for key in keys if "." not in key.rsplit("/", 1)[1]]
    assert sorted(int(parts[-3]) for parts in chunks) == [0, 3, 6, 9]
    assert [ax.texts[0].get_text() for ax in figure.axes] == [
        f"z = {z} µm" for z in ("0", "7.5", "15", "22.5")
    ]
    assert title(figure) == "test\nmag 1"
    boxes = [ax.get_window_extent() for ax in figure.axes]
    assert {round(box.height / box.width, 6) for box in boxes} == {round(6 / 9, 6)}
    assert not any(a.overlaps(b) for a in boxes for b in boxes if a is not b)
    assert len(montage(nk.open(path)).axes) == 10
    figure = montage(nk.open(path), "z", z=slice(5, 10))
    assert [ax.texts[0].get_text() for ax in figure.axes] == ["z = 5 µm", "z = 7.5 µm", "z = 10 µm"]
    assert len(montage(nk.open(path), sel={"z": slice(5, 10)}).axes) == 3
    for wrong, message in (
        ({"along": "x"}, r"these are z \(x and y are drawn\)"),
        ({"along": "z", "n": 0}, "at least one panel"),
        ({"along": "z", "z": 3}, "give a range"),
    ):
        with pytest.raises(NgffError, match=message):
            montage(nk.open(path), **wrong)
    with pytest.raises(NgffError, match="no axis to go along"):
        montage(xr.DataArray(np.zeros((4, 4)), dims=("y", "x")))


def test_montage_of_channels(two_channels):
    figure = montage(nk.open(two_channels), "c", scalebar=False)
    a, b = figure.axes
    assert [ax.texts[0].get_text() for ax in (a, b)] == ["A", "B"]
    assert at(figure, b, 2, 0) == [0, 128, 255]
    assert title(figure) == "test\nmag 1"
    assert len(montage(nk.open(two_channels), "c", channels=["B"]).axes) == 1


# --- where it works -----------------------------------------------------------------------------


def test_figures_show_themselves_in_notebooks_and_save():
    from IPython.core.formatters import DisplayFormatter

    figure = plot(xr.DataArray(np.eye(4), dims=("y", "x")))
    data, _ = DisplayFormatter().format(figure)
    assert data["image/png"]
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_nothing_is_cut_off():
    da = xr.DataArray(
        np.eye(50),
        dims=("y", "x"),
        name="a name that is much longer than its picture is wide " * 3,
        coords={"x": np.arange(50) + 1e6, "y": np.arange(50) + 1e6},
    )
    for size in (0.5, 2, 6):
        figure = plot(da, size=size)
        box = figure.get_tightbbox(figure.canvas.get_renderer())
        width, height = figure.get_size_inches()
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
        assert "…" in title(figure)


def test_pyplot_is_left_alone():
    code = (
        "import sys, ngffkit as nk; assert 'matplotlib' not in sys.modules\n"
        "import numpy as np, xarray as xr\n"
        "nk.plot(xr.DataArray(np.eye(4), dims=('y', 'x')))\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_many_threads_at_once(two_channels):
    tree = nk.open(two_channels)

    def draw(_):
        return canvas(plot(tree))

    alone = draw(0)
    with ThreadPoolExecutor(4) as pool:
        assert all((made == alone).all() for made in pool.map(draw, range(8)))


# --- real data ----------------------------------------------------------------------------------


def test_real_labels(corpus):
    path = corpus / "real/zarr_v04_5d_real_labels/example_data_5d/tubhiswt4D_sub.zarr"
    tree = nk.open(path)
    figure = plot(tree, labels="embryo", t=1, z=1, size=2.5, dpi=100, opacity=1.0)
    below, above = figure.axes[0].images
    assert "mag 2-2-1" in title(figure)
    assert "t = 1 s · z = 1 µm" in title(figure)
    raw = tree["2-2-1"].image.isel(t=1, z=1, c=0).values
    ids = tree["labels/embryo/2-2-1"].labels.isel(t=1, z=1).values
    window = compose.window_of(raw)
    color = compose.parse_color(tree.ngff.channels[0].color)
    own = tree.ngff.channels[0].window
    window = (own.start, own.end) if own else window
    assert (below.get_array() == compose.composite(raw[None], [color], [window])).all()
    assert ((above.get_array()[..., 3] > 0) == (ids > 0)).all()


def test_real_plate_field(corpus, keys):
    path = corpus / "real/zarr_v04_hcs_plate_real/single-plane-hcs.zarr"
    tree = nk.open(path, wells="E/08")["E/08/0"]
    figure = plot(tree)
    assert figure.axes[0].get_xlabel() == "x (µm)"
    assert bar_of(figure.axes[0])[1] == "200 µm"
    assert {key.split("/")[-4] for key in keys} == {"0"}
    assert len(montage(tree, "c").axes) == 3


@pytest.mark.filterwarnings("ignore:.*Fiji")
def test_real_mri(corpus):
    tree = nk.open(corpus / "real/zarr_v04_mri_fiji/mri-stack.ome.zarr")
    figure = ortho(tree, {"z": 20, "y": 50, "x": 60}, windows=(0, 255), mag=1)
    raw = tree["1"].image.values
    xy, xz, zy = (ax.images[0].get_array()[..., 0] for ax in figure.axes)
    assert (xy == raw[20]).all()
    assert (xz == raw[:, 50]).all()
    assert (zy == raw[:, :, 60].T).all()


def test_real_film(corpus):
    folder = corpus / "real/zarr_v04_timelapse_labels/skimage-2dt-zarr"
    film, cells = nk.open(folder / "image.ome.zarr"), nk.open(folder / "segmentation.ome.zarr")
    figure = montage(film, "t", 4, labels=cells)
    assert [ax.texts[0].get_text() for ax in figure.axes] == [f"t = {t} s" for t in (0, 3, 6, 9)]
    for ax, t in zip(figure.axes, (0, 3, 6, 9), strict=True):
        mag = title(figure).rsplit("mag ", 1)[1]
        ids = cells[mag].image.isel(t=t).values
        assert ((ax.images[1].get_array()[..., 3] > 0) == (ids != 0)).all()
