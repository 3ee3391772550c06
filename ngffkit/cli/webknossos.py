"""From the words of ``webknossos convert`` to the options of `ngffkit.convert`.

Which words there are, and what they mean when left out, was read in webknossos-libs,
``webknossos/cli/convert.py`` and ``webknossos/cli/_utils.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ngffkit.errors import Problem

#: The edge of its chunks when nobody says otherwise.
_CHUNK = 32

#: Its ``--voxel-size`` is in this unit without ``--unit``.
_UNIT = "nanometer"

_CLUSTERS = ("slurm", "slurm+batching", "kubernetes")

#: What changes no pixel here, and why.
_WITHOUT_EFFECT: Mapping[str, str] = {
    "batch_size": "is ignored; memory= bounds what is held at once",
    "job_resources": "is ignored; executor= takes the address of a dask cluster",
    "webknossos_url": "is ignored without --upload",
    "token": "is ignored without --upload",
    "folder": "is ignored without --upload",
    "transfer_mode": "is ignored without --upload",
    "access_mode": "is ignored; the files are read directly",
}


@dataclass(slots=True)
class Asked:
    """What was asked for, in our words.

    Parameters
    ----------
    options : dict
        For `ngffkit.plan`.
    notes, problems : list of Problem
        What has no effect, and what can't be. `Problem.loc` is the name of the option.
    """

    options: dict[str, Any] = field(default_factory=dict)
    notes: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, option: str, message: str, remedy: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(option, "error", message, remedy))

    def note(self, option: str, message: str) -> None:
        """Add a note."""
        self.notes.append(Problem(option, "advice", message))


def translated(given: Mapping[str, Any]) -> Asked:
    """Translate options as they were typed.

    Parameters
    ----------
    given : Mapping
        By `ngffkit.cli.flags.Flag.option`, read already.

    Examples
    --------
    >>> translated({"category": "segmentation", "compress": False, "downsample": False}).options
    {'kind': 'label', 'compression': 'none', 'mags': ['1']}
    """
    rules: Mapping[str, Callable[[Asked, Any], None]] = {
        "upload": _upload,
        "category": _category,
        "data_format": _data_format,
        "chunks_per_shard": _chunks_per_shard,
        "compress": _compress,
        "downsample": _downsample,
        "strategy": _strategy,
        "topleft": _topleft,
    }
    words = {*rules, *_WITHOUT_EFFECT}
    asked = Asked({key: value for key, value in given.items() if key not in words})
    for key, message in _WITHOUT_EFFECT.items():
        if key in given:
            asked.note(key, message)
    for key, rule in sorted(rules.items()):
        if key in given:
            rule(asked, given[key])
    options = asked.options
    # a dataset has layers there; here an image is one
    if "layer" in options:
        options.setdefault("name", options["layer"])
    # only where all axes are said: a unit is for those that the file knows, too
    if isinstance(options.get("voxel_size"), tuple) and "unit" not in options:
        options["unit"] = _UNIT
        asked.note(
            "unit",
            f"voxel_size= is in {_UNIT}, as webknossos takes it; pass unit= to say otherwise",
        )
    _unsharded(asked)
    return asked


def _upload(asked: Asked, value: Any) -> None:
    if value:
        remedy = (
            "convert to a folder DST, then run `ngffkit upload DST`, which does what "
            "`webknossos upload` does"
        )
        asked.refuse("upload", "nothing is sent while it converts", remedy)


def _category(asked: Asked, value: str) -> None:
    kind = {"color": "intensity", "segmentation": "label"}[value]
    if asked.options.setdefault("kind", kind) != kind:
        asked.refuse("category", f"{value} is not kind={asked.options['kind']!r}", "give one")


def _data_format(asked: Asked, value: str) -> None:
    from ngffkit.spec.encode import DEFAULT, WRITABLE, zarr_format

    number = {"zarr": 2, "zarr3": 3}.get(value)
    if number is None:
        remedy = "take zarr3 (or zarr); `webknossos convert` writes wkw"
        asked.refuse("data_format", f"{value!r} is not written", remedy)
        return
    fitting = [name for name in WRITABLE if zarr_format(name) == number]
    version = asked.options.setdefault("version", DEFAULT if DEFAULT in fitting else fitting[-1])
    if version not in fitting:
        remedy = f"leave one out, or choose version={fitting[-1]!r}"
        asked.refuse("data_format", f"OME-Zarr {version} is not stored as {value}", remedy)


def _chunks_per_shard(asked: Asked, value: Any) -> None:
    if "shards" in asked.options:
        asked.refuse("chunks_per_shard", "was given and shards= too", "leave one out")
        return
    chunks = asked.options.setdefault("chunks", _CHUNK)
    shards = _product(chunks, value)
    if shards is None:
        remedy = "give both as one number or as x,y,z"
        asked.refuse("chunks_per_shard", f"{value!r} does not go with chunks={chunks!r}", remedy)
        return
    asked.options["shards"] = shards


def _product(chunks: Any, times: Any) -> int | tuple[int, ...] | None:
    if isinstance(chunks, int) and isinstance(times, int):
        return chunks * times
    many = next((v for v in (chunks, times) if isinstance(v, tuple)), None)
    if many is None or not all(isinstance(v, (int, tuple)) for v in (chunks, times)):
        return None
    one, other = (v if isinstance(v, tuple) else (v,) * len(many) for v in (chunks, times))
    return tuple(a * b for a, b in zip(one, other, strict=True)) if len(one) == len(other) else None


def _unsharded(asked: Asked) -> None:
    """Write shards of a single chunk as chunks, which is the same and what Zarr v2 can do."""
    options = asked.options
    chunks, shards = options.get("chunks"), options.get("shards")
    if isinstance(chunks, (int, tuple)) and _cube(chunks) == _cube(shards):
        options["shards"] = None


def _cube(value: Any) -> Any:
    return (value,) * 3 if isinstance(value, int) else value


def _compress(asked: Asked, value: bool) -> None:  # noqa: FBT001 - a rule like the others
    if not value and asked.options.setdefault("compression", "none") != "none":
        remedy = "leave one out"
        asked.refuse("compress", f"compression={asked.options['compression']!r} was given", remedy)


def _downsample(asked: Asked, value: bool) -> None:  # noqa: FBT001 - a rule like the others
    if value:
        return
    if "mags" in asked.options:
        asked.refuse("downsample", "mags= were listed", "leave one out")
        return
    asked.options["mags"] = ["1"]
    for key in ("coarsest", "until", "sampling"):
        asked.options.pop(key, None)  # as there: without mags they say nothing


def _strategy(asked: Asked, value: str) -> None:
    options = asked.options
    if value in _CLUSTERS:
        remedy = (
            "start a dask cluster there (dask-jobqueue, dask-kubernetes) and pass its address: "
            "executor='tcp://HOST:8786'"
        )
        asked.refuse("strategy", f"jobs are not submitted to {value}", remedy)
    elif value == "multiprocessing":
        _agree(asked, value, "executor", "processes")
    elif value == "sequential":
        _agree(asked, value, "executor", "threads")
        _agree(asked, value, "workers", 1)
    else:
        known: Sequence[str] = ("multiprocessing", "sequential", *_CLUSTERS)
        asked.refuse("strategy", f"{value!r}; one of {', '.join(known)} was expected", "")
    options.setdefault("executor", "threads")


def _agree(asked: Asked, strategy: str, option: str, value: Any) -> None:
    if asked.options.setdefault(option, value) != value:
        found = asked.options[option]
        asked.refuse("strategy", f"{strategy} does not go with {option}={found}", "leave one out")


def _topleft(asked: Asked, value: Sequence[int]) -> None:
    sizes = asked.options.get("voxel_size")
    if "origin" in asked.options:
        asked.refuse("topleft", "was given and origin= too", "leave one out")
    elif not isinstance(sizes, tuple):
        remedy = "pass voxel_size=(X,Y,Z), or origin= in units"
        asked.refuse("topleft", "voxels have no place without their size", remedy)
    else:
        pairs = zip("xyz", value, sizes, strict=False)
        asked.options["origin"] = {name: n * size for name, n, size in pairs}
