"""Memory and time against size, tasks up to a million, and what a petabyte would take.

    python benchmarks/scale.py                              # up to 10 GB
    python benchmarks/scale.py --sizes 0.5,1,2,5,10,20,50   # as the page shows it
    python benchmarks/scale.py --page                       # the page alone, of what is kept

Results go to ``benchmarks/results/scale.json``; tables and plots of ``docs/scale.md`` are made of
them. Volumes are generated, and go to a target that forgets them, or to a folder, where they
compress to a fiftieth. A volume of 50 GB needs 8 GB of disk: an eighth of it for a scratch file.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "scale.json"
PAGE = HERE.parent / "docs" / "scale.md"
IMAGES = HERE.parent / "docs" / "images"

SIZES = (0.5, 1.0, 2.0, 5.0, 10.0)
TASKS = (1_000, 10_000, 100_000, 1_000_000)
WORKERS = (8, 64, 512)

#: Real tasks of one small chunk: how many, and by whom. Processes and dask are asked for fewer.
TINY = (("threads", 10_000), ("threads", 100_000), ("processes", 10_000), ("dask", 1_000))

#: 262 x 524 x 524 µm of brain at 4 nm.
PETABYTE = (65_536, 131_072, 131_072)

#: Ways to write it: what is said of each, and its options.
LAYOUTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("0.4: chunks of 64³, a file each", {"version": "0.4", "shards": None}),
    ("0.5, as chosen: shards of 64 × 512 × 512", {}),
    ("0.5: `shards=512`", {"shards": 512}),
    ("0.5: `shards=1024`", {"shards": 1024}),
)

#: Bytes of one part of an upload, and what travels in one request, as `stores.uploads` has them.
PART, ONE_REQUEST, MOST_PARTS = 2**24, 2**25, 9_000


# --- measuring ------------------------------------------------------------------------------------


def job(name: str, timeout: float = 7200, **asked: Any) -> dict[str, Any]:
    """Run a job in a process of its own; return what it says, and what it took."""
    from _processes import measure
    from harness import BENCH, result_of

    folder = BENCH / "data"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="scale-") as place:
        order = json.dumps({"name": name, "place": place, "asked": asked})
        run = measure([sys.executable, __file__, "--job", order], timeout)
    told = result_of(run.said)
    if run.code or not told or "wrong" in told:
        sys.exit(f"{name} {asked}: {told.get('wrong') or run.said[-1000:]}")
    print(f"  {name} {asked}: {told} {run.peak / 1e6:.0f} MB", file=sys.stderr, flush=True)
    return told | {"peak": run.peak, "asked": asked, "others": run.others}


def measured(sizes: Sequence[float], tasks: Sequence[int]) -> dict[str, Any]:
    """Measure everything; sizes in GB."""
    from harness import machine

    out: dict[str, Any] = {"machine": machine(), "volumes": [], "leading": [], "tiny": []}
    for size in sizes:
        for target in ("discard", "folder"):
            out["volumes"].append(job("volume", gigabytes=size, target=target))
    out["elsewhere"] = job(
        "volume", gigabytes=2, target="folder", kind="noise", executor="processes", workers=2
    )
    for count in tasks:
        out["leading"].append(job("leading", tasks=count, workers=8, sync=False))
    most = min(10_000, max(tasks))
    for workers in WORKERS[1:]:
        out["leading"].append(job("leading", tasks=most, workers=workers, sync=False))
    out["synced"] = job("leading", tasks=1000, workers=8, sync=True)
    for executor, count in TINY:
        out["tiny"].append(job("tiny", tasks=min(count, max(tasks)), executor=executor))
    out["planning"] = [
        job("plans", shape=PETABYTE, block=(64, 64, 64), **options) for _, options in LAYOUTS
    ]
    return out


# --- a petabyte, by `plan` ------------------------------------------------------------------------


def planned(options: dict[str, Any], block: tuple[int, ...] = (64, 64, 64)) -> Any:
    """Plan the petabyte; the sample it looks at is noise as of an electron microscope."""
    from _scale_jobs import generated

    from ngffkit import writing

    # a folder that is nowhere: a petabyte doesn't fit on any disk here
    return writing.plan(generated(PETABYTE, block=block), "memory://petabyte.zarr", **options)


def puts(plan: Any) -> int:
    """Return how many requests write the objects of a plan to an object store, its journal too."""
    ratio, out = plan.cost.stored / plan.nbytes, plan.tasks
    for level in plan.images[0].job.levels:
        layout = level.spec.layout
        size = layout.nbytes * ratio / layout.objects
        one = 1
        if size > ONE_REQUEST:
            one = -(-int(size) // max(PART, int(size) // MOST_PARTS + 1)) + 2
        # a shard is asked for once more: whether all of it came
        out += layout.objects * (one + (layout.shards is not None))
    return out


def gets(plan: Any) -> int:
    """Return how many requests read finer mags back for coarser ones, at most: a chunk each."""
    out = 0
    for level in plan.images[0].job.levels[:-1]:
        layout = level.spec.layout
        chunks = 1
        for n, c in zip(layout.shape, layout.chunks, strict=True):
            chunks *= -(-n // c)
        out += chunks + (layout.objects if layout.shards else 0)
    return out


def hours(plan: Any, workers: int, rate: float, leading: float) -> float:
    """Return how long a plan takes, level by level: rounds of tasks, or what leads them."""
    seconds = 0.0
    item = plan.images[0]
    for i, level in enumerate(item.job.levels):
        count = item.job.count(i)
        each = level.spec.layout.nbytes / count / rate
        seconds += max(-(-count // workers) * each, count * leading)
    return seconds / 3600


# --- the page -------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table of Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def about(number: float) -> str:
    """Spell a count with two or three digits, as an estimate deserves."""
    for limit, word in ((1e9, " billion"), (1e6, " million")):
        if number >= limit:
            return f"{number / limit:.3g}{word}"
    return f"{number:,.0f}"


def _volumes(found: dict[str, Any]) -> str:
    rows = []
    for run in found["volumes"]:
        kind = {"discard": "thrown away", "folder": "a folder"}[run["asked"]["target"]]
        rows.append(
            (
                kind,
                f"{run['asked']['gigabytes']:g} GB",
                f"{run['peak'] / 1e6:.0f} MB",
                f"{run['planned'] / 1e6:.0f} MB",
                f"{run['wall']:.1f} s",
                f"{run['cpu']:.1f} s",
                f"{run['bytes'] / run['wall'] / 1e9:.2f}",
                f"{run['cpu'] / run['bytes'] * 1e9:.1f}",
                f"{run['stored'] / 1e9:.2f} GB",
            )
        )
    head = "target, mag 1, peak, planned, wall, CPU, GB/s, CPU s/GB, stored".split(", ")
    return f"{_flat(found)}\n\n{table(head, rows)}"


def _flat(found: dict[str, Any]) -> str:
    said = []
    for target, word in (("discard", "thrown away"), ("folder", "to a folder")):
        runs = [run for run in found["volumes"] if run["asked"]["target"] == target]
        large = max(runs, key=lambda run: run["asked"]["gigabytes"])
        small = next(run for run in runs if run["asked"]["gigabytes"] >= min(1, *_sizes(runs)))
        small = next((run for run in runs if run["asked"]["gigabytes"] == 1), small)
        per = [run["cpu"] / run["bytes"] for run in (large, small)]
        said.append(
            f"**{large['peak'] / small['peak']:.2f}** ({word}; processor time per GB: "
            f"{per[0] / per[1]:.2f})"
        )
    sizes = f"{large['asked']['gigabytes']:g} GB to that of {small['asked']['gigabytes']:g} GB"
    return f"Ratio of the peak of {sizes}: {', '.join(said)}. 1 is flat."


def figures_of(found: dict[str, Any]) -> dict[str, Any]:
    """Return what `make bench` keeps: tables by what they are of."""
    volumes = {
        f"{run['asked']['gigabytes']:g} GB, {run['asked']['target']}": {
            "peak_MB": run["peak"] / 1e6,
            "cpu_s_per_GB": run["cpu"] / run["bytes"] * 1e9,
        }
        for run in found["volumes"]
    }
    tasks = {
        f"{run['tasks']} tasks, {run['asked']['workers']} workers": {
            "us_each": run["first"] / run["tasks"] * 1e6,
            "us_resumed": run["resumed"] / run["tasks"] * 1e6,
            "B_each": run["first_memory"] / run["tasks"],
        }
        for run in found["leading"]
    }
    return {"volumes": volumes, "tasks": tasks}


def _sizes(runs: Sequence[dict[str, Any]]) -> list[float]:
    return [run["asked"]["gigabytes"] for run in runs]


def _tasks(found: dict[str, Any]) -> str:
    rows = []
    for run in found["leading"]:
        n = run["tasks"]
        rows.append(
            (
                f"{n:,}",
                run["asked"]["workers"],
                f"{run['planning'] * 1e3:.0f} ms",
                f"{run['first'] / n * 1e6:.0f} µs",
                f"{run['first_cpu'] / n * 1e6:.0f} µs",
                f"{run['first_memory'] / n:.0f} B",
                f"{run['resumed'] / n * 1e6:.0f} µs",
                f"{run['journal'] / n:.0f} B",
                f"{run['peak'] / 1e6:.0f} MB",
            )
        )
    head = "tasks, workers, planned in, a task, CPU, memory, resumed, journal, peak".split(", ")
    synced = found["synced"]
    disk = synced["first"] / synced["tasks"]
    return (
        f"{table(head, rows)}\n\nWith the journal forced to the disk for each task, as it is "
        f"outside of this table: {disk * 1e3:.2f} ms a task on this machine's disk."
    )


def _tiny(found: dict[str, Any]) -> str:
    rows = [
        (run["asked"]["executor"], f"{run['tasks']:,}", f"{run['each'] * 1e6:.0f} µs")
        for run in found["tiny"]
    ]
    return table(("executor", "tasks", "a task, two at a time"), rows)


def _petabyte(found: dict[str, Any]) -> str:
    rows = []
    for (title, options), run in zip(LAYOUTS, found["planning"], strict=True):
        plan = planned(options)
        rows.append(
            (
                title,
                about(plan.files),
                about(plan.tasks),
                about(puts(plan)),
                about(gets(plan)),
                f"{plan.cost.stored / 1e12:,.0f} TB",
                f"{plan.peak_memory / 1e9:,.2f} GB",
                "yes" if plan.ok else "no: memory",
                f"{run['seconds'] * 1e3:.0f} ms",
            )
        )
    head = "layout, files, tasks, requests to write, to read back, stored, memory, runs, planned in"
    return table(head.split(", "), rows)


def _blocks() -> str:
    rows = []
    for title, block in (
        ("chunks of 64³, or a memory map", (64, 64, 64)),
        ("tiles of 4096 × 4096", (1, 4096, 4096)),
        ("whole planes, 17 GB each", (1, 131_072, 131_072)),
    ):
        # what is asked for is what is shown
        plan = planned({"shards": 1024, "memory": "1 TB"}, block)
        cut = plan.images[0].job.levels[0].cut
        rows.append(
            (
                title,
                " × ".join(map(str, cut.region)),
                about(plan.tasks),
                f"{plan.peak_memory / 1e9:.2f} GB",
            )
        )
    return table(
        ("the source decodes", "a task of mag 1", "tasks", "memory with room for it"), rows
    )


def _hours(found: dict[str, Any]) -> str:
    run, lead = found["elsewhere"], found["synced"]
    rate = run["pixels"] / run["wall"] / run["asked"]["workers"]
    leading = lead["first"] / lead["tasks"]
    plan = planned({"shards": 1024})
    ratio, rows = plan.cost.stored / plan.nbytes, []
    for workers in WORKERS:
        found_hours = hours(plan, workers, rate, leading)
        rows.append(
            (
                workers,
                f"{found_hours:,.0f} h",
                f"{found_hours / 24:,.1f}",
                f"{plan.tasks * leading / 3600:,.1f} h",
                f"{plan.nbytes / found_hours / 3.6e12:,.1f} GB/s",
                f"{plan.nbytes / found_hours / 3.6e12 * ratio:,.1f} GB/s",
            )
        )
    head = "workers, time, days, the leader's part, storage must read, and write".split(", ")
    return (
        f"rate = {rate / 1e6:.0f} MB/s of pixels a worker, "
        f"lead = {leading * 1e3:.2f} ms a task.\n\n"
        f"{table(head, rows)}"
    )


def machine_of(found: dict[str, Any]) -> str:
    """Say what it was measured on."""
    m = found["machine"]
    return f"{m['cpu']}, {m['cores']} cores, {m['memory']} GB; {m['system']}, Python {m['python']}."


def render(found: dict[str, Any]) -> None:
    """Make the tables and plots of the page anew."""
    parts = {
        "machine": machine_of(found),
        "volumes": _volumes(found),
        "tasks": _tasks(found),
        "tiny": _tiny(found),
        "petabyte": _petabyte(found),
        "blocks": _blocks(),
        "hours": _hours(found),
    }
    text = PAGE.read_text("utf-8")
    for name, part in parts.items():
        begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if not pattern.search(text):
            sys.exit(f"{PAGE} has no place for {name}")
        text = pattern.sub(lambda _, new=f"{begin}\n{part}\n{end}": new, text)
    PAGE.write_text(text, "utf-8")
    draw(found)


def draw(found: dict[str, Any]) -> None:
    """Draw memory and time against size, and time against tasks."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "ngffkit", "font.size": 9, "svg.fonttype": "none"})
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(7.5, 2.8), layout="constrained")
    for target, label in (("discard", "thrown away"), ("folder", "to a folder")):
        runs = [run for run in found["volumes"] if run["asked"]["target"] == target]
        left.plot(_sizes(runs), [run["peak"] / 1e6 for run in runs], "o-", label=label)
        right.plot(_sizes(runs), [run["cpu"] for run in runs], "o-", label=label)
    left.set(xscale="log", ylim=(0, None), xlabel="GB of mag 1", ylabel="peak memory, MB")
    right.set(xscale="log", yscale="log", xlabel="GB of mag 1", ylabel="processor time, s")
    left.legend(frameon=False)
    _save(figure, "scale-volume")
    figure, axes = plt.subplots(figsize=(3.8, 2.8), layout="constrained")
    runs = [run for run in found["leading"] if run["asked"]["workers"] == WORKERS[0]]
    counts = [run["tasks"] for run in runs]
    axes.plot(counts, [r["first"] / r["tasks"] * 1e6 for r in runs], "o-", label="done")
    axes.plot(counts, [r["resumed"] / r["tasks"] * 1e6 for r in runs], "o-", label="resumed")
    axes.set(xscale="log", ylim=(0, None), xlabel="tasks", ylabel="a task, µs")
    axes.legend(frameon=False)
    _save(figure, "scale-tasks")


def _save(figure: Any, name: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    figure.savefig(IMAGES / f"{name}.svg", metadata={"Date": None, "Creator": None})


def _numbers(text: str) -> Iterator[float]:
    yield from map(float, text.split(","))


def main() -> None:
    """Measure, keep, and make the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)), help="of volumes, in GB")
    parser.add_argument("--tasks", default=",".join(map(str, TASKS)), help="how many, at most")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    parser.add_argument("--tell", action="store_true", help="for `make bench`: keep nothing")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        from _scale_jobs import JOBS

        order = json.loads(args.job)
        print("RESULT " + json.dumps(JOBS[order["name"]](order["place"], **order["asked"])))
        return
    if not args.page:
        found = measured(list(_numbers(args.sizes)), [int(n) for n in _numbers(args.tasks)])
        if args.tell:
            import alone

            alone.tell(figures_of(found))
            return
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    render(json.loads(RESULTS.read_text()))


if __name__ == "__main__":
    main()
