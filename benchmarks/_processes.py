"""Run a command and measure it: time, processor time and memory, those of its children included."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Seconds between two looks at the memory.
LOOK = 0.02


@dataclass(frozen=True, slots=True)
class Measured:
    """What a command took.

    Parameters
    ----------
    wall, user, system : float
        Seconds.
    peak : int
        Bytes of memory of all its processes at the worst moment; pages that processes share
        are counted once.
    others : float
        Processors that other programs used meanwhile.
    code : int
        Its exit code.
    said : str
        The end of what it printed.
    """

    wall: float
    user: float
    system: float
    peak: int
    others: float
    code: int
    said: str

    @property
    def cpu(self) -> float:
        """Seconds of processors, user and system."""
        return self.user + self.system


def measure(command: Sequence[str | Path], timeout: float = 1800) -> Measured:
    """Run a command to its end and measure it; Linux only.

    Parameters
    ----------
    command : sequence of str
        Program and arguments.
    timeout : float
        Seconds after which it is killed, its children too.
    """
    os.sync()  # what the one before left to write is not this one's to wait for
    with tempfile.TemporaryFile() as output:
        busy, began = _busy(), time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        peak, ended = [0], threading.Event()
        watch = threading.Thread(target=_watch, args=(process.pid, peak, ended), daemon=True)
        watch.start()
        killer = threading.Timer(timeout, _end, (process.pid,))
        killer.start()
        try:
            # the usage of children that were waited for is included
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            _end(process.pid)
            process.wait()
            raise
        finally:
            # who is interrupted does not wait for the timer, nor does it kill others by this number
            killer.cancel()
            ended.set()
        wall, busy = time.perf_counter() - began, _busy() - busy
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.join()
        output.seek(max(0, output.tell() - 100_000))
        said = output.read().decode(errors="replace")
    others = max(0.0, busy - usage.ru_utime - usage.ru_stime) / wall
    return Measured(wall, usage.ru_utime, usage.ru_stime, peak[0], others, process.returncode, said)


def _end(pid: int) -> None:
    """Kill a process, those of its group, and its descendants: a server may have left the group."""
    below = list(_tree(pid))[1:]
    for kill, number in [(os.killpg, pid), *((os.kill, each) for each in below)]:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            kill(number, signal.SIGKILL)


def _watch(pid: int, peak: list[int], ended: threading.Event) -> None:
    while not ended.wait(LOOK):
        peak[0] = max(peak[0], _memory(list(_tree(pid))))


def _tree(pid: int) -> Iterator[int]:
    """Yield a process and its descendants."""
    yield pid
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _tree(int(child))
    except OSError:
        return  # it has ended


def _memory(pids: Sequence[int]) -> int:
    """Return the memory of processes; of a single one, its own high-water mark.

    `ru_maxrss` is of no use: it begins with what the parent had when it forked.
    """
    if len(pids) == 1:
        return _field(f"/proc/{pids[0]}/status", "VmHWM:")
    return sum(_field(f"/proc/{pid}/smaps_rollup", "Pss:") for pid in pids)


def _field(path: str, name: str) -> int:
    try:
        for line in Path(path).read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass  # it has ended
    return 0


def _busy() -> float:
    """Return the seconds that processors have worked since the machine was started."""
    with Path("/proc/stat").open() as file:
        ticks = [int(n) for n in file.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")
