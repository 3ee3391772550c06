"""The command line: ``ngffkit info X``, ``ngffkit validate X``."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from ngffkit import __version__
from ngffkit.errors import NgffError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process when left out.

    Returns
    -------
    int
        0 when all is well, 1 when something is not valid, 2 when it can't be opened.
    """
    args = _parser().parse_args(argv)
    options = dict(_option(text) for text in args.option or ())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            status: int = args.run(args, options)
        except NgffError as err:
            print(f"ngffkit: {err}", file=sys.stderr)
            return 2
        except BrokenPipeError:
            return 0
    for warning in caught:
        print(f"ngffkit: {warning.message}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ngffkit", description="OME-Zarr from the command line.")
    parser.add_argument("--version", action="version", version=f"ngffkit {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, text in (
        ("info", _info, "say what is at a path or URL: axes, mags, chunks, sizes, channels"),
        ("validate", _validate, "list every problem with its address and remedy"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("source", metavar="X", help="a folder, a zip file or a URL")
        command.add_argument("--json", action="store_true", help="print JSON")
        command.add_argument(
            "-o",
            "--option",
            action="append",
            metavar="KEY=VALUE",
            help="a storage option, e.g. anon=true or endpoint=http://localhost:9000",
        )
        command.set_defaults(run=run)
    return parser


def _option(text: str) -> tuple[str, Any]:
    key, separator, value = text.partition("=")
    if not separator:
        raise SystemExit(f"ngffkit: --option {text!r}; KEY=VALUE was expected")
    return key, {"true": True, "false": False}.get(value.lower(), value)


def _info(args: argparse.Namespace, options: dict[str, Any]) -> int:
    from ngffkit.description import describe

    described = describe(args.source, storage_options=options)
    if args.json:
        print(json.dumps(described.to_json(), indent=2))
    else:
        print(described)
    return 0


def _validate(args: argparse.Namespace, options: dict[str, Any]) -> int:
    from ngffkit.validation import validate

    report = validate(args.source, storage_options=options)
    if args.json:
        problems = [problem.to_json() for problem in report]
        print(json.dumps({"valid": report.valid, "problems": problems}, indent=2))
    else:
        print(f"{args.source}: {report}")
    return 0 if report.valid else 1


if __name__ == "__main__":
    sys.exit(main())
