"""What can go wrong, as types: every error names the value, what was expected and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Severity = Literal["error", "schema", "meaning", "advice"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document, with its address and its remedy.

    Parameters
    ----------
    loc : str
        JSON path of the offending value, e.g. ``multiscales[0].datasets[1].path``;
        the empty string is the document itself.
    severity : {"error", "schema", "meaning", "advice"}
        ``error``: what was asked for can't be done; nothing was begun. ``schema``: the document
        breaks the JSON schema of its version. ``meaning``: the schema accepts it, the text of the
        specification does not, or the data contradict it. ``advice``: allowed, but readers or
        people will suffer.
    message : str
        The value that was found and what was expected.
    remedy : str
        What to do about it.

    Examples
    --------
    >>> str(Problem("multiscales[0].axes", "schema", "missing", "list the axes, e.g. z, y, x"))
    'schema   multiscales[0].axes: missing; list the axes, e.g. z, y, x'
    """

    loc: str
    severity: Severity
    message: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        """Return its fields as a JSON object."""
        return asdict(self)

    def __str__(self) -> str:
        """Return one line: severity, address, message and remedy."""
        where = f"{self.loc}: " if self.loc else ""
        return f"{self.severity:<8} {where}{self.message}" + (
            f"; {self.remedy}" if self.remedy else ""
        )


def tally(problems: Sequence[Problem]) -> str:
    """Say how many problems of each severity there are.

    Examples
    --------
    >>> tally([Problem("a", "advice", ""), Problem("b", "schema", "")])
    '1 against the schema, 1 piece of advice'
    """
    words = {
        "error": ("error", "errors"),
        "schema": ("against the schema", "against the schema"),
        "meaning": ("in meaning", "in meaning"),
        "advice": ("piece of advice", "pieces of advice"),
    }
    counts = {kind: sum(p.severity == kind for p in problems) for kind in words}
    return ", ".join(f"{n} {words[kind][n > 1]}" for kind, n in counts.items() if n)


class NgffError(Exception):
    """Anything ngffkit refuses to do; the base of all its errors."""


class NgffWarning(UserWarning):
    """Something was read liberally: it opened, but its writer should mend it."""


class NotFoundError(NgffError, FileNotFoundError):
    """Nothing that can be opened is at this place."""


class MetadataError(NgffError, ValueError):
    """A document can't be understood, or it is harmful.

    Parameters
    ----------
    message : str
        What was found, what was expected and the remedy.
    loc : str
        JSON path of the offending value.
    """

    def __init__(self, message: str, loc: str = "") -> None:
        super().__init__(f"{loc}: {message}" if loc else message)
        self.loc = loc

    @classmethod
    def of(cls, problem: Problem, where: str = "") -> MetadataError:
        """Build the error that reports `problem` of the document at `where`."""
        loc = ": ".join(part for part in (where, problem.loc) if part)
        return cls(problem.message + (f"; {problem.remedy}" if problem.remedy else ""), loc)


class StoreError(NgffError, OSError):
    """A store did not answer, or not with what was asked for.

    Parameters
    ----------
    key : str
        The key below the root of the store.
    url : str
        Where that is.
    cause : str
        What the store said.
    denied : bool
        Whether the store refused access (401 or 403). Object stores also say 403 of a key that
        does not exist when listing is not allowed.
    """

    def __init__(self, key: str, url: str, cause: str, *, denied: bool = False) -> None:
        super().__init__(f"can't read {key!r} at {url}: {cause}")
        self.key, self.url, self.cause, self.denied = key, url, cause, denied

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the constructor's arguments, for worker processes."""
        return _rebuild_store_error, (
            type(self),
            self.key,
            self.url,
            self.cause,
            self.denied,
        )


def _rebuild_store_error(
    kind: type[StoreError],
    key: str,
    url: str,
    cause: str,
    denied: bool,  # noqa: FBT001 - pickle calls by position
) -> StoreError:
    return kind(key, url, cause, denied=denied)


class ChunkError(StoreError):
    """A chunk that should be there can't be had, or what came is not that chunk."""


class SourceError(NgffError, OSError):
    """A part of a source can't be read: a corrupt slice, a file that vanished, a wrong size.

    Parameters
    ----------
    name : str
        The file, page or slice.
    cause : str
        What is wrong with it.
    """

    def __init__(self, name: str, cause: str) -> None:
        super().__init__(f"can't read {name}: {cause}")
        self.name, self.cause = name, cause

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the constructor's arguments, for worker processes."""
        return type(self), (self.name, self.cause)


class WriteError(StoreError):
    """Something can't be written: a full disk, no permission, a server that refused."""

    def __init__(self, key: str, url: str, cause: str, *, denied: bool = False) -> None:
        super().__init__(key, url, cause, denied=denied)
        self.args = (f"can't write {key!r} at {url}: {cause}",)

    def __str__(self) -> str:
        """Return the message; an OSError of one argument."""
        return str(self.args[0])


class BusyError(NgffError):
    """Another process is writing to this target."""


class PlanError(NgffError, ValueError):
    """A plan that can't be carried out, with every reason.

    Parameters
    ----------
    problems : sequence of Problem
        Those of severity ``error`` are the reasons; `Problem.loc` names the option.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        reasons = [p for p in self.problems if p.severity == "error"]
        super().__init__(
            "; ".join(
                f"{p.loc}: {p.message}" + (f" ({p.remedy})" if p.remedy else "") for p in reasons
            )
        )

    @classmethod
    def of(cls, text: str) -> PlanError:
        """Build the error of one option from ``option: what is wrong; what to do``.

        Examples
        --------
        >>> PlanError.of("unit: 'parsec' is no unit; pass 'um'").problems[0].remedy
        "pass 'um'"
        """
        loc, _, rest = text.partition(": ")
        message, _, remedy = rest.partition("; ")
        return cls([Problem(loc, "error", message, remedy)])

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the constructor's arguments, for worker processes."""
        return type(self), (self.problems,)
