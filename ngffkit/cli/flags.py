"""The table of options: how each is typed, what reads it, which commands take it."""

from __future__ import annotations

from ngffkit import typed as values
from ngffkit.cli import flags_caching, flags_datasets, flags_sharing, flags_tuning
from ngffkit.cli.flag import BOTH, Flag, flag, group, switch

#: Commands that write, in the order of the help.
_MAKE, _ALL = ("convert",), (*BOTH, "downsample", "rewrite")
_OWN, _SAYING = (*BOTH, "downsample"), (*_ALL, "upload", "download")
_LOOK = ("info", "validate", "verify", "browse", "tune", "benchmark")

#: Options of layouts and targets, and those that name one of several images.
_LAYOUT, _ONE = (*BOTH, "rewrite"), (*BOTH, "tune", "benchmark", "rewrite")


_SAMPLING = values.one_of("anisotropic", "isotropic", "constant_z")

_READING = group(
    "what is read",
    flag(
        "--voxel-size",
        "voxel_size",
        values.voxel_size,
        "X,Y,Z",
        "size of a voxel along x, y, z; read from the file where it is known",
    ),
    flag(
        "--unit",
        "unit",
        values.word,
        "UNIT",
        "unit of --voxel-size: nanometer (when x, y, z are given), um, ...",
    ),
    flag(
        "--origin",
        "origin",
        values.places,
        "X,Y,Z",
        "position of the centre of the first voxel, in that unit",
    ),
    flag(
        "--topleft",
        "topleft",
        values.corner,
        "X,Y,Z",
        "the same in voxels, as WEBKNOSSOS counts; needs --voxel-size",
    ),
    flag("--name", "name", values.word, "NAME", "name of the image"),
    flag(
        "--category",
        "category",
        values.one_of("color", "segmentation"),
        "CATEGORY",
        "color or segmentation, in WEBKNOSSOS's words",
    ),
    flag("--kind", "kind", values.one_of("intensity", "label"), "KIND", "intensity or label"),
    flag("--channels", "channels", values.names, "A,B,...", "names of the channels"),
    flag(
        "--pattern",
        "pattern",
        values.word,
        "PATTERN",
        "names of the files of a stack, e.g. 'img_t{t}_c{c}_z{z}.tif'",
        _MAKE,
    ),
    flag(
        "--axes",
        "axes",
        values.word,
        "AXES",
        "meaning of dimensions that have no names, e.g. tzyx",
        _MAKE,
    ),
    flag(
        "--gaps",
        "gaps",
        values.one_of("error", "close", "fill"),
        "HOW",
        "missing numbers in a stack: error, close (move together) or fill (zeros)",
        _MAKE,
    ),
    flag(
        "--shape",
        "shape",
        values.shape,
        "N,N,...",
        "shape of a raw file, in the order of --axes",
        _MAKE,
    ),
    flag(
        "--dtype",
        "dtype",
        values.word,
        "TYPE",
        "type of the pixels of a raw file, e.g. '<u2'",
        _MAKE,
    ),
    flag(
        "--offset", "offset", values.size, "BYTES", "bytes before the pixels of a raw file", _MAKE
    ),
    flag(
        "--image",
        "image",
        values.word,
        "IMAGE",
        "which image where there are several: path, series, layer",
        _ONE,
    ),
    flag(
        "--mag",
        "mag",
        values.mag,
        "MAG",
        "which mag of a pyramid is the source; the finest when left out",
    ),
    flag("--crop", "crop", values.crop, "z=0:10,y=..", "which part, in pixels"),
    flag(
        "--labels",
        "labels",
        values.label,
        "NAME=PATH",
        "label images that come along; may be repeated",
    ),
    switch("--no-labels", "labels", "leave label images out"),
    flag(
        "-o --option",
        "storage_options",
        values.option,
        "KEY=VALUE",
        "an option of the store of SRC, e.g. anon=true; may be repeated",
        (*_ALL, *_LOOK),
    ),
)

_WRITING = group(
    "what is written",
    flag(
        "--version --ome-zarr-version --ngff-version",
        "version",
        values.version,
        "VERSION",
        "version of OME-Zarr",
        _LAYOUT,
    ),
    flag(
        "--data-format",
        "data_format",
        values.word,
        "FORMAT",
        "zarr3 (the default version) or zarr (the one in Zarr v2)",
    ),
    flag(
        "--chunks --chunk-shape",
        "chunks",
        values.voxels,
        "X,Y,Z",
        "voxels per chunk: 64, or 64,64,32, or by axis",
        _LAYOUT,
    ),
    flag(
        "--shards --shard-shape",
        "shards",
        values.voxels,
        "X,Y,Z",
        "voxels per shard, multiples of the chunks; none for no shards",
        _LAYOUT,
    ),
    flag(
        "--chunks-per-shard",
        "chunks_per_shard",
        values.voxels,
        "X,Y,Z",
        "deprecated by WEBKNOSSOS: chunks along each axis of a shard",
    ),
    flag(
        "--compression",
        "compression",
        values.compression,
        "CODEC",
        "zstd, gzip or none, with a level: zstd:3",
        _LAYOUT,
    ),
    switch("--compress --no-compress", "compress", "compress (the default), or not at all"),
    flag(
        "--layer-name",
        "layer",
        values.word,
        "NAME",
        "name of the layer: of the image without --name, and in the sidecar",
        _OWN,
    ),
    switch(
        "--sidecar --no-sidecar",
        "sidecar",
        "also write datasource-properties.json, by which WEBKNOSSOS opens it",
    ),
    flag(
        "--target-option",
        "target_options",
        values.option,
        "KEY=VALUE",
        "an option of the store of DST; may be repeated",
        _LAYOUT,
    ),
)

_MAGS = group(
    "mags",
    flag(
        "--mags",
        "mags",
        values.mags,
        "1,2-2-1,...",
        "which mags, finest first; chosen by the voxel size when left out",
        _ALL,
    ),
    flag(
        "--max-mag --coarsest-mag",
        "coarsest",
        values.coarsest,
        "MAG",
        "the coarsest mag: 8 or 8-8-4",
        _ALL,
    ),
    flag(
        "--until",
        "until",
        values.count,
        "VOXELS",
        "go on until every axis has at most so many voxels",
        _ALL,
    ),
    flag(
        "--sampling-mode",
        "sampling",
        _SAMPLING,
        "MODE",
        "anisotropic (towards cubes), isotropic or constant_z",
        _ALL,
    ),
    flag(
        "--method --interpolation-mode",
        "method",
        values.word,
        "METHOD",
        "mean, median, mode, nearest, gaussian, min or max; default: mean, mode for labels",
        _ALL,
    ),
    switch(
        "--downsample --no-downsample", "downsample", "make a pyramid (the default), or mag 1 alone"
    ),
)

_WORKING = group(
    "how the work is done",
    switch("--dry-run", "dry_run", "say what would be done, and do nothing", _LAYOUT),
    flag(
        "--memory",
        "memory",
        values.memory,
        "SIZE",
        "what this process may take in all, e.g. '500 MB'",
        _ALL,
    ),
    flag(
        "--workers --jobs",
        "workers",
        values.count,
        "N",
        "threads, or processes; the processors when left out",
        _ALL,
    ),
    flag(
        "--executor",
        "executor",
        values.executor,
        "WHO",
        "threads, processes, or the address of a dask scheduler",
        _ALL,
    ),
    flag(
        "--distribution-strategy",
        "strategy",
        values.word,
        "STRATEGY",
        "WEBKNOSSOS's word: multiprocessing or sequential",
        _OWN,
    ),
    flag(
        "--on-error",
        "on_error",
        values.one_of("raise", "skip"),
        "HOW",
        "parts that can't be read: raise (stop), or skip (leave fill, and say so)",
    ),
    switch(
        "--overwrite-existing --overwrite",
        "overwrite",
        "remove what is at DST first",
        (*_LAYOUT, "download"),
    ),
    switch(
        "--resume --no-resume",
        "resume",
        "go on where an interrupted run stopped (the default), or not",
        _LAYOUT,
    ),
    switch("--quiet -q", "quiet", "no progress, no notes, no summary; errors only", _SAYING),
    switch("--json", "json", "print the result, or the plan, as JSON", (*_SAYING, *_LOOK)),
)

_SHOW = ("browse",)

_SHOWING = group(
    "what is shown",
    flag(
        "--html",
        "html",
        values.word,
        "PAGE",
        "the page that is written; X.html when left out",
        _SHOW,
    ),
    flag(
        "--position",
        "position",
        values.places,
        "z=3,t=0",
        "where it stands at first, by axis, in the units of the image",
        _SHOW,
    ),
    flag(
        "--layout",
        "layout",
        values.one_of("plane", "ortho", "volume"),
        "LAYOUT",
        "plane (the default), ortho (three planes and a projection) or volume",
        _SHOW,
    ),
    flag(
        "--plane", "plane", values.word, "PLANE", "which plane: xy (the default), xz or zy", _SHOW
    ),
    flag(
        "--max-size",
        "max_bytes",
        values.memory,
        "SIZE",
        "how large the page may be, e.g. '20 MB': the more, the finer",
        _SHOW,
    ),
)

_IGNORED = group(
    "taken from `webknossos` command lines, without effect",
    flag("--batch-size", "batch_size", values.count, "N", "--memory bounds what is held", _MAKE),
    flag(
        "--job-resources",
        "job_resources",
        values.word,
        "KEY=VALUE,...",
        "for clusters see --executor",
        _OWN,
    ),
    switch("--upload", "upload", "refused: `ngffkit upload` does it", _MAKE),
    flag("--webknossos-url", "webknossos_url", values.word, "URL", "for --upload", _MAKE),
    flag("--token", "token", str, "TOKEN", "for --upload", ("convert", "downsample")),
    flag("--folder", "folder", values.word, "FOLDER", "for --upload", _MAKE),
    flag(
        "--transfer-mode",
        "transfer_mode",
        values.word,
        "MODE",
        "for --upload",
        ("convert", "downsample"),
    ),
    flag(
        "--access-mode",
        "access_mode",
        values.word,
        "MODE",
        "for datasets on a server",
        ("downsample",),
    ),
)

#: All options, in the order of the help.
FLAGS: tuple[Flag, ...] = (
    *_READING,
    *_WRITING,
    *_MAGS,
    *_WORKING,
    *_SHOWING,
    *flags_tuning.FLAGS,
    *flags_sharing.FLAGS,
    *flags_caching.FLAGS,
    *flags_datasets.FLAGS,
    *_IGNORED,
)
