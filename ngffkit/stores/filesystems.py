"""Whatever fsspec knows as targets."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from ngffkit.errors import NgffError, StoreError, WriteError
from ngffkit.stores.adapters import FsspecStore
from ngffkit.stores.targets import DOCUMENTS, Written, check_key, crc_of, view_of
from ngffkit.stores.uploads import PART, Seen, Upload, as_write_error


class FsspecTarget:
    """A folder of a file system of fsspec.

    An object is as whole as that file system's own way to write one. Two writers are kept apart
    on the word of the file system that a file does not exist, which is no guarantee.

    Parameters
    ----------
    fs : fsspec.AbstractFileSystem
        The file system.
    root : str
        Path of the target in it.
    url : str
        Where that is, for messages.
    """

    concurrency = 8

    def __init__(self, fs: Any, root: str, url: str) -> None:
        self.fs, self.root, self.url = fs, root.rstrip("/"), url
        if not self.root.strip("/"):
            raise NgffError(f"{url!r} is a whole file system; write to a name in it")

    @property
    def store(self) -> FsspecStore:
        """To read back what was written."""
        return FsspecStore(self.fs, self.root, self.url)

    def beside(self, suffix: str) -> FsspecTarget:
        """Return the place called like this one with `suffix` after its name."""
        return FsspecTarget(self.fs, self.root + suffix, self.url + suffix)

    def put(self, key: str, data: Any) -> Written:
        """Write a whole file."""
        check_key(key, self.url)
        view, path = view_of(data), f"{self.root}/{key}"
        try:
            self.fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            self.fs.pipe_file(path, bytes(view))
        except Exception as err:
            raise self._error(key, err) from err
        return Written(key, len(view), crc_of(view))

    def begin(self, key: str) -> Upload:
        """Begin a large file in a local one."""
        check_key(key, self.url)
        return Upload(key, self)

    def send(self, key: str, file: Any, size: int) -> None:
        """Copy a file that is open for reading, and see that all of it came."""
        path = f"{self.root}/{key}"
        try:
            self.fs.makedirs(path.rpartition("/")[0], exist_ok=True)
            with self.fs.open(path, "wb") as out:
                while piece := file.read(PART):
                    out.write(piece)
            came = self.fs.size(path)
        except BaseException as err:
            with contextlib.suppress(Exception):
                self.fs.rm_file(path)
            if not isinstance(err, Exception):
                raise
            raise self._error(key, err) from err
        if came != size:
            self.remove(key)
            raise WriteError(key, f"{self.url}/{key}", f"{came} of its {size} bytes came; resume")

    def remove(self, key: str) -> None:
        """Remove a file; absent is fine."""
        check_key(key, self.url)
        try:
            self.fs.rm_file(f"{self.root}/{key}")
        except FileNotFoundError:
            return
        except Exception as err:
            raise self._error(key, err) from err

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys of all files below `prefix`."""
        if prefix := prefix.strip("/"):
            check_key(prefix, self.url)
        top = f"{self.root}/{prefix}".rstrip("/")
        try:
            # some answer with the file itself when `top` is one
            found = [path for path in self.fs.find(top) if path.startswith(f"{top}/")]
        except FileNotFoundError:
            return
        except Exception as err:
            raise StoreError(prefix, f"{self.url}/{prefix}".rstrip("/"), str(err)) from err
        for path in sorted(found):
            yield path.removeprefix(f"{self.root}/")

    def clear(self) -> None:
        """Remove everything below, documents first, from the root down."""
        found = list(self.keys())
        last = len(found)
        depth = {key: key.count("/") for key in found if key.rpartition("/")[2] in DOCUMENTS}
        for key in sorted(found, key=lambda key: (depth.get(key, last), key)):
            self.remove(key)
        with contextlib.suppress(Exception):  # folders are nothing that counts
            self.fs.rm(self.root, recursive=True)

    def exists(self) -> bool:
        """Tell whether there is a file at or below this place."""
        return bool(self.fs.isfile(self.root)) or next(self.keys(), None) is not None

    def free(self) -> int | None:
        """Return None: fsspec does not know."""
        return None

    def sync(self) -> None:
        """Do nothing: a file that is closed is as safe as fsspec can make it."""

    def sweep(self) -> None:
        """Do nothing: what is not whole is in files without a name."""

    def claim(self, key: str, data: bytes, tag: Any = None) -> Any:
        """Write a file if there is none, or if it is still the one of `tag`, as far as is known."""
        seen = self.peek(key)
        if (seen.tag if seen else None) != tag:
            return None
        self.put(key, data)
        return hashlib.blake2b(data).hexdigest()

    def peek(self, key: str) -> Seen | None:
        """Return a small file; None when there is none."""
        data = self.store.get(key)
        if data is None:
            return None
        try:
            modified = self.fs.modified(f"{self.root}/{key}")
        except Exception:  # noqa: BLE001 - not every file system knows
            modified = dt.datetime.now(dt.UTC)
        if modified.tzinfo is None:
            modified = modified.replace(tzinfo=dt.UTC)
        return Seen(bytes(data), hashlib.blake2b(data).hexdigest(), modified)

    def _error(self, key: str, err: Exception) -> WriteError:
        said = self.store._error(key, err)  # noqa: SLF001 - one wording for both
        return as_write_error(said)


def open_fsspec(url: str, options: Mapping[str, Any]) -> FsspecTarget:
    """Return what is written to by a URL that fsspec knows.

    Parameters
    ----------
    url : str
        Of the target.
    options : Mapping
        Of the file system.
    """
    import fsspec

    try:
        fs, path = fsspec.core.url_to_fs(url, **options)
    except (ImportError, ValueError, OSError, TypeError) as err:
        raise NgffError(f"can't write to {url!r}: {err}") from err
    return FsspecTarget(fs, path, url)
