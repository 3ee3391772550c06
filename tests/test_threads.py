"""Threads: every task is run once, whatever the number of threads; errors come back."""

from __future__ import annotations

import pickle
import threading

import pytest

from ngffkit.chunks.threads import Threads


@pytest.mark.parametrize("workers", [1, 2, 3, 64])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 63, 64, 65, 1000])
def test_every_task_is_run_once(workers: int, count: int) -> None:
    done: list[int] = []
    threads = Threads()
    for _ in range(2):  # the second time on threads that are there already
        done.clear()
        threads.run((lambda i=i: done.append(i) for i in range(count)), workers)
        assert sorted(done) == list(range(count))


@pytest.mark.parametrize("workers", [1, 2, 8])
def test_the_first_error_ends_it(workers: int) -> None:
    done: list[int] = []

    def task(i: int) -> None:
        if i == 5:
            raise ValueError("five")
        done.append(i)

    with pytest.raises(ValueError, match="five"):
        Threads().run((lambda i=i: task(i) for i in range(10_000)), workers)
    assert len(done) < 10_000


def test_tasks_are_drawn_one_by_one() -> None:
    drawn, most = 0, 0
    lock = threading.Lock()

    def finish() -> None:
        nonlocal drawn
        with lock:
            drawn -= 1

    def tasks():
        nonlocal drawn, most
        for _ in range(5000):
            with lock:
                drawn += 1
                most = max(most, drawn)
            yield finish

    Threads().run(tasks(), 4)
    assert most <= 9  # four that were drawn to begin with, and one in each hand


def test_an_error_of_the_source_is_raised() -> None:
    def tasks():
        yield lambda: None
        yield lambda: None
        yield lambda: None
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        Threads().run(tasks(), 2)


def test_many_callers_share_them() -> None:
    threads, done = Threads(), list[int]()
    callers = [
        threading.Thread(target=threads.run, args=([lambda: done.append(1)] * 200, 3))
        for _ in range(6)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(done) == 1200


def test_they_pickle_without_threads() -> None:
    threads = Threads()
    threads.run([lambda: None] * 4, 2)
    again = pickle.loads(pickle.dumps(threads))
    done: list[int] = []
    again.run([lambda: done.append(1)] * 4, 2)
    assert len(done) == 4
