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
    speedup : float, optional
        How many times as fast all threads decode as one does; less than `cpus` where memory or
        other programs hold them up. `cpus` when left out.
    """

    cpus: int
    per_request: float
    per_chunk: float
    per_byte: float
    speedup: float | None = None


#: Lines that people have.
SSD = Line("SSD", 60e-6, 2e9, 2)
LAN = Line("LAN", 1e-3, 100e6, 64)
S3 = Line("S3", 30e-3, 80e6, 64)

LINES = (SSD, LAN, S3)


def seconds(traffic: Traffic, line: Line, machine: Machine) -> float:
    """Return how long a read takes.

    Notes
    -----
    The first answer of each round has to come before anything else happens, which takes
    ``rounds * latency``. What comes after it is of three kinds:

    - ``wait = max(0, requests / concurrency - rounds) * latency``: requests that wait for others
      to end (Little's law),
    - ``transfer = nbytes / bandwidth``,
    - ``work = max(steps, (steps + decoded * per_byte) / hands)``, where ``steps = requests *
      per_request + chunks * per_chunk`` is Python, which one thread at a time may run, and
      ``hands = min(speedup, requests)``, since what a request brings is decoded by one thread.

    With more requests in flight than processors, these overlap and the longest of them decides.
    Otherwise, as with files, a thread waits, takes and decodes in turn, so they add up.

    Examples
    --------
    A plane of 64 chunks from S3 waits twice as long when indexes of shards have to come first:

    >>> chunks = Traffic(64, 6.4e6, 1, 64, 64 * 2**18, 2**18)
    >>> shards = Traffic(16, 6.4e6, 2, 64, 64 * 2**18, 2**18)
    >>> machine = Machine(4, 1e-4, 1e-4, 1e-9)
    >>> round(seconds(chunks, S3, machine), 2), round(seconds(shards, S3, machine), 2)
    (0.11, 0.14)
    """
    if not traffic.requests:
        return 0.0
    wait = max(0.0, traffic.requests / line.concurrency - traffic.rounds) * line.latency
    transfer = traffic.nbytes / line.bandwidth
    steps = traffic.requests * machine.per_request + traffic.chunks * machine.per_chunk
    hands = max(1.0, min(machine.speedup or machine.cpus, traffic.requests))
    work = max(steps, (steps + traffic.decoded * machine.per_byte) / hands)
    overlap = line.concurrency > machine.cpus
    busy = max(wait, transfer, work) if overlap else wait + transfer + work
    return traffic.rounds * line.latency + busy
