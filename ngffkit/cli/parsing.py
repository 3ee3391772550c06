"""From arguments to what was typed, by option, with everything that is wrong about it."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from ngffkit import __version__
from ngffkit.cli.flag import Flag
from ngffkit.cli.flags import FLAGS
from ngffkit.errors import Problem


@dataclass(frozen=True, slots=True)
class Command:
    """One command.

    Parameters
    ----------
    name : str
        What it is called.
    places : tuple of str
        What stands for its arguments; in brackets, it may be left out.
    help : str
        What it does.
    example : str
        A command line.
    """

    name: str
    places: tuple[str, ...]
    help: str
    example: str = ""


#: In the order of the help.
COMMANDS: tuple[Command, ...] = (
    Command("info", ("X",), "say what is at a path or URL: axes, mags, chunks, sizes, channels"),
    Command("validate", ("X",), "list every problem with its address and remedy"),
    Command(
        "convert",
        ("SRC", "DST"),
        "convert images to OME-Zarr: a folder of slices, TIFF, Zarr, ...; takes what "
        "`webknossos convert` takes",
        "ngffkit convert --voxel-size 11.24,11.24,25 slices/ volume.zarr",
    ),
    Command(
        "downsample",
        ("X",),
        "add the mags that an OME-Zarr image lacks",
        "ngffkit downsample --until 64 volume.zarr",
    ),
    Command(
        "copy",
        ("SRC", "DST"),
        "copy a Zarr: upgrade it, re-chunk it, cut a part out",
        "ngffkit copy --crop z=0:100 old.zarr new.zarr",
    ),
    Command(
        "browse",
        ("X",),
        "write a page to look at an image with: one HTML file that pans and zooms by itself",
        "ngffkit browse --html cells.html --position z=3 cells.ome.zarr",
    ),
    Command("verify", ("X",), "read what a conversion wrote and compare it with its journal"),
    Command(
        "tune",
        ("X",),
        "say what reading an image costs, and which layout would cost less",
        "ngffkit tune --line S3 volume.zarr",
    ),
    Command(
        "benchmark",
        ("X",),
        "measure how long planes, cutouts and views take, beside what was predicted",
        "ngffkit benchmark --rounds 5 --plot speed.png volume.zarr",
    ),
    Command(
        "rewrite",
        ("X",),
        "store an image in another layout, in its place or beside it",
        "ngffkit rewrite --chunks 64 --shards 512 volume.zarr",
    ),
    Command(
        "serve",
        ("X",),
        "let viewers on this machine read an image over HTTP; prints links to them",
        "ngffkit serve volume.zarr",
    ),
    Command(
        "app",
        ("[X]",),
        "browse, convert, write and tune in a browser, without a notebook; prints the address",
        "ngffkit app volume.zarr",
    ),
    Command("cache", (), "say what the cache of remote data holds, or empty it"),
    Command(
        "upload",
        ("X",),
        "send a dataset to a WEBKNOSSOS server",
        "WK_TOKEN=... ngffkit upload --url https://webknossos.org volume.zarr",
    ),
    Command(
        "download",
        ("SRC", "DST"),
        "fetch a dataset from a WEBKNOSSOS server",
        "WK_TOKEN=... ngffkit download https://webknossos.org/datasets/... volume.zarr",
    ),
    Command(
        "demo",
        ("[FOLDER]",),
        "make a sample and do the main job on it; shows each line of Python, and what to do next",
        "ngffkit demo try-it",
    ),
)


@dataclass(slots=True)
class Typed:
    """What was typed.

    Parameters
    ----------
    command : str
        Which command.
    places : list of str
        Its arguments.
    given : dict
        Options by `Flag.option`, read.
    spelled : dict
        How they were spelled.
    wrong : list of Problem
        What can't be read.
    """

    command: str
    places: list[str] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=dict)
    spelled: dict[str, str] = field(default_factory=dict)
    wrong: list[Problem] = field(default_factory=list)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in a line, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        sys.stderr.write(f"ngffkit: {message}; see {self.prog} --help\n")
        sys.exit(2)


class _Take(argparse.Action):
    """Keeps what was typed, and what is wrong about it, instead of stopping at the first."""

    def __init__(self, *args: Any, flag: Flag, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.flag = flag

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        del parser
        typed: Typed = namespace.typed
        flag, name = self.flag, str(option_string)
        try:
            value: Any = (
                not name.startswith("--no-") if flag.read is None else flag.read(str(values))
            )
        except ValueError as err:
            typed.wrong.append(Problem(name, "error", f"{str(values)!r:.80}; {err}"))
            return
        before = typed.given.get(flag.option)
        if flag.many and isinstance(before, dict):
            value = before | value
        elif before is not None and before != value and typed.spelled[flag.option] != name:
            message = f"was given and {typed.spelled[flag.option]} too; leave one out"
            typed.wrong.append(Problem(name, "error", message))
        typed.given[flag.option] = value
        typed.spelled[flag.option] = name


def parse(argv: Sequence[str]) -> Typed:
    """Read a command line.

    Parameters
    ----------
    argv : sequence of str
        Without the name of the program.

    Returns
    -------
    Typed
        What was typed; `Typed.wrong` lists all that can't be read.

    Raises
    ------
    SystemExit
        With 0 after ``--help`` and ``--version``, with 2 when there is no such command.

    Examples
    --------
    >>> typed = parse(["convert", "--voxel-size", "4,4,40", "in", "out.zarr"])
    >>> typed.places, typed.given, typed.wrong
    (['in', 'out.zarr'], {'voxel_size': (4.0, 4.0, 40.0)}, [])
    """
    top, parsers = _parsers()
    name = argv[0] if argv else ""
    if name not in parsers:
        top.parse_args(argv)
    typed = Typed(name)
    parser = parsers[name]
    known, unknown = parser.parse_known_intermixed_args(
        _joined(argv[1:]), argparse.Namespace(typed=typed)
    )
    typed.places = list(known.places or ())
    typed.wrong[:0] = [_unknown(word, name) for word in unknown if word.startswith("-")]
    if not typed.wrong:
        typed.places += [word for word in unknown if not word.startswith("-")]
        typed.wrong += _misplaced(typed)
    return typed


def _parsers() -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    top = _Parser(prog="ngffkit", description="OME-Zarr from the command line.", allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"ngffkit {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for command in COMMANDS:
        parser = commands.add_parser(
            command.name,
            help=command.help.split(";")[0],
            description=command.help,
            epilog=command.example and f"example: {command.example}",
            allow_abbrev=False,
            usage=f"ngffkit {command.name} [OPTIONS] {' '.join(command.places)}",
        )
        metavar = " ".join(command.places)
        parser.add_argument("places", nargs="*", metavar=metavar, help=_help_of(command))
        groups: dict[str, Any] = {}
        for flag in FLAGS:
            if command.name in flag.commands:
                group = groups.get(flag.group) or parser.add_argument_group(flag.group)
                groups[flag.group] = group
                _add(group, flag)
    return top, dict(commands.choices)


def _add(group: Any, flag: Flag) -> None:
    group.add_argument(
        *flag.names,
        action=_Take,
        flag=flag,
        dest=flag.option,
        default=argparse.SUPPRESS,
        nargs=0 if flag.switch else None,
        metavar=flag.metavar or None,
        help=flag.help.replace("%", "%%"),
    )


def _help_of(command: Command) -> str:
    if command.places in (("X",), ("[X]",)):
        return "a folder, a zip file or a URL"
    if command.places == ("[FOLDER]",):
        return "where all of it goes, new or empty; demo-data when left out"
    return (
        "what is read (files, a folder, a URL), and the OME-Zarr that is made (*.zarr, *.ozx, URL)"
    )


def _joined(argv: Sequence[str]) -> list[str]:
    """Let options take values that begin with a minus: ``--topleft -5,0,3``."""
    out: list[str] = []
    for word in argv:
        last = out[-1] if out else ""
        if re.match(r"-[\d.]", word) and re.fullmatch(r"--[a-z][a-z-]*", last):
            out[-1] = f"{last}={word}"
        else:
            out.append(word)
    return out


def _unknown(word: str, command: str) -> Problem:
    name = word.split("=", 1)[0]
    names = [n for flag in FLAGS if command in flag.commands for n in flag.names]
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]}?" if near else f"see ngffkit {command} --help"
    return Problem(name, "error", "there is no such option", hint)


def places_of(name: str) -> tuple[str, ...]:
    """Return what stands for the arguments of a command."""
    return next(command.places for command in COMMANDS if command.name == name)


def _misplaced(typed: Typed) -> list[Problem]:
    wanted = places_of(typed.command)
    if "upload" in typed.given:
        return []  # refused for another reason, which says more
    count, least = len(typed.places), sum(not place.startswith("[") for place in wanted)
    # a shell that expands slices/*.png gives many sources
    if count >= least and ("DST" in wanted or count <= len(wanted)):
        return []
    got = " ".join(typed.places) or "nothing"
    usage = f"ngffkit {typed.command} [OPTIONS] {' '.join(wanted)}"
    return [Problem("", "error", f"{' and '.join(wanted)} expected, got {got}", usage)]
