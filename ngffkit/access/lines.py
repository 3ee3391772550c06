"""How long traffic takes: a line to the store, a machine that decodes. Arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from ngffkit.access.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Line:
    """The way to a store.

    Parameters
    ----------
    name : str
        ``SSD``, ``LAN``, ``S3``, or ``here`` for one that was measured.
    latency : float
        Seconds from a request to the first byte of its answer.
    bandwidth : float
        Bytes per second, all requests together.
    concurrency : int
        Requests that are in flight together.
    """

    name: str
    latency: float
    bandwidth: float
    concurrency: int


@dataclass(frozen=True, slots=True)
class Machine:
    """What decodes.

    Parameters
    ----------
    cpus : int
        Threads that decode together.
    per_request, per_chunk, per_byte : float
        Seconds of one processor for each request, chunk, and decoded byte.
    """

    cpus: int
    per_request: float
    per_chunk: float
    per_byte: float


#: Lines that people have.
SSD = Line("SSD", 60e-6, 2e9, 2)
LAN = Line("LAN", 1e-3, 100e6, 64)
S3 = Line("S3", 30e-3, 80e6, 64)

LINES = (SSD, LAN, S3)


def seconds(traffic: Traffic, line: Line, machine: Machine) -> float:
    """Return how long a read takes.

    Notes
    -----
    Waiting, transfer and decoding overlap, so the slowest of them decides; the first answer of
    each round has to come before anything else happens.
    """
    raise NotImplementedError
