"""How the chunks of a shard travel: which of them in one go, and in which order. Arithmetic."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter

from ngffkit.stores.base import merge_ranges

#: Ranges of one shard that are asked for in one go, in encoded bytes.
BATCH_BYTES = 8 * 2**20

#: Where a chunk lies in its shard, how long it is, and whose it is.
type Entry[Item] = tuple[int, int, Item]


def cut_batches[Item](
    entries: Sequence[Entry[Item]], shards: int, cpus: int
) -> list[list[Entry[Item]]]:
    """Cut what is wanted of a shard into batches that lie near one another.

    Parameters
    ----------
    entries : sequence of (offset, length, item)
        The wanted chunks of one shard.
    shards : int
        How many shards are read at the same time.
    cpus : int
        Processors of this machine.

    Returns
    -------
    list of list of (offset, length, item)
        In the order of the shard. Enough of them that no thread is idle at the end, and none of
        more than `BATCH_BYTES`, unless one chunk alone is.

    Examples
    --------
    >>> [len(batch) for batch in cut_batches([(10, 5, "b"), (0, 10, "a")], 1, 2)]
    [1, 1]
    """
    wanted = sorted(entries, key=itemgetter(0))
    most = max(1, -(-len(wanted) * shards // (8 * cpus)))
    out: list[list[Entry[Item]]] = []
    size = 0
    for item in wanted:
        if not out or len(out[-1]) >= most or size + item[1] > BATCH_BYTES:
            out.append([])
            size = 0
        out[-1].append(item)
        size += item[1]
    return out


def cut_spans[Item](batch: Sequence[Entry[Item]]) -> list[list[Entry[Item]]]:
    """Cut a batch into what travels in one request each; see `ngffkit.stores.base.merge_ranges`.

    Parameters
    ----------
    batch : sequence of (offset, length, item)
        In ascending order.

    Returns
    -------
    list of list of (offset, length, item)
        One for each request.

    Examples
    --------
    >>> [len(span) for span in cut_spans([(0, 10, "a"), (10, 5, "b"), (10**6, 5, "c")])]
    [2, 1]
    """
    starts = [start for start, _ in merge_ranges([entry[:2] for entry in batch])]
    out: list[list[Entry[Item]]] = [[] for _ in starts]
    for entry in batch:
        out[bisect_right(starts, entry[0]) - 1].append(entry)
    return out
