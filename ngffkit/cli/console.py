"""How the command line talks: results on stdout, everything else on stderr, a line each."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from ngffkit.cards import plain
from ngffkit.cli.flag import Flag
from ngffkit.cli.flags import FLAGS
from ngffkit.errors import NgffError, PlanError, Problem
from ngffkit.typed import respelled

#: What a Python option is set to, in a message: a quoted text, something in brackets, or a word.
_VALUE = r"'[^']*'|\"[^\"]*\"|\{[^{}]*\}|\([^()]*\)|\[[^\[\]]*\]|[\w.:/+-]*[\w/+-]"

#: Where a problem lies, when it is no option.
_PLACES: Mapping[str, str] = {"source": "SRC", "target": "DST"}

#: Warnings that Python keeps from users, too: they are for those who write programs. One of another
#: package's sockets may come at any moment, from the garbage collector.
_DEVELOPERS = (ResourceWarning, DeprecationWarning, PendingDeprecationWarning, ImportWarning)


def say(text: str) -> None:
    """Print a result."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def tell(text: str) -> None:
    """Print a line about what is going on."""
    sys.stderr.write(f"ngffkit: {plain(' '.join(text.splitlines()))}\n")
    sys.stderr.flush()


@contextmanager
def warnings_told() -> Iterator[None]:
    """Print what is warned of in here, each thing once, when it ends; a stopped run tells, too."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for kind in _DEVELOPERS:
            warnings.simplefilter("ignore", kind)
        try:
            yield
        finally:
            for message in dict.fromkeys(str(warning.message) for warning in caught):
                tell(message)


def tell_problems(problems: Sequence[Problem], spelled: Mapping[str, str]) -> None:
    """Print a line for each problem, in the words of the command line."""
    for problem in problems:
        said = in_words(problem, spelled)
        remedy = f"; {said.remedy}" if said.remedy else ""
        tell(f"{said.loc}: {said.message}{remedy}" if said.loc else f"{said.message}{remedy}")


def tell_error(error: NgffError, spelled: Mapping[str, str]) -> None:
    """Print an error; every reason of a plan that can't be carried out has a line of its own."""
    if isinstance(error, PlanError):
        reasons = [problem for problem in error.problems if problem.severity == "error"]
        tell_problems(reasons, spelled)
        return
    text = str(error)
    name, colon, rest = text.partition(": ")
    # what sources say of an option begins with its name
    if colon and name in _by_option():
        text = f"{spelled_as(name, spelled)}: {rest}"
    tell(in_flags(text, spelled))


def in_words(problem: Problem, spelled: Mapping[str, str]) -> Problem:
    """Return a problem with options spelled as the command line spells them.

    Parameters
    ----------
    problem : Problem
        In the words of Python.
    spelled : Mapping of str to str
        How options were typed, by their name in Python.

    Examples
    --------
    >>> problem = Problem("memory", "error", "too little", "pass memory='102 MB' or more")
    >>> str(in_words(problem, {}))
    "error    --memory: too little; pass --memory '102 MB' or more"
    """
    return replace(
        problem,
        loc=spelled_as(problem.loc, spelled),
        message=in_flags(problem.message, spelled),
        remedy=in_flags(problem.remedy, spelled),
    )


def in_flags(text: str, spelled: Mapping[str, str]) -> str:
    """Replace options of Python in a text by those of the command line.

    Examples
    --------
    >>> in_flags("pass overwrite=True, or shards=None; a larger memory= is faster", {})
    'pass --overwrite-existing, or --shards none; a larger --memory is faster'
    >>> in_flags("pass chunks={'z': 32, 'y': 64} or resume=False", {})
    'pass --chunks z=32,y=64 or --no-resume'
    """
    names = "|".join(sorted(_by_option(), key=len, reverse=True))
    # what is a flag already, or a part of a URL, stays
    pattern = rf"(?<![\w&?/.-])({names})=({_VALUE})?(?!=)"

    def flag(match: re.Match[str]) -> str:
        return _typed(match[1], match[2], spelled)

    return re.sub(pattern, flag, text)


def spelled_as(name: str, spelled: Mapping[str, str]) -> str:
    """Return how an option was typed, or how it can be."""
    if name in spelled:
        return spelled[name]
    found = _by_option().get(name)
    return found.names[0] if found else _PLACES.get(name, name)


def _by_option() -> dict[str, Flag]:
    """Return the first flag for each option of Python."""
    out: dict[str, Flag] = {}
    for flag in FLAGS:
        out.setdefault(flag.option, flag)
    return out


def _typed(name: str, value: str | None, spelled: Mapping[str, str]) -> str:
    """Spell ``name=value`` as it is typed."""
    found = _by_option()[name]
    word = spelled_as(name, spelled)
    if value is None:
        return word
    if found.switch and value in ("True", "False"):
        negative = next((n for n in found.names if n.startswith("--no-")), None)
        return found.names[0] if value == "True" else negative or f"no {word}"
    # a text keeps the quotes that a shell wants around it
    return f"{word} {value if value[:1] in ("'", '"') else respelled(value)}"
