"""The files of one study, on a disk or in an object store: a file is there whole or not at all."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import LocalStore, from_url

from noiseflow.faults import printable
from noiseflow.places import is_remote

PATIENCE = timedelta(seconds=60)
"""How long an object store that fails is asked again."""
ANSWER_WITHIN = timedelta(seconds=30)
"""How long one request may take; a large file on a slow line takes some seconds."""
MOST_FILES = 500_000
"""Most files below a folder; ten thousand batches are forty thousand."""
_MENDS = {
    "no space left": "Make room and run again: what was published is kept.",
    "file too large": "Make room and run again: what was published is kept.",
    "read-only": "Make it writable or choose another place.",
    "denied": "Mend its rights or choose another place.",
}
_REMOTE_MEND = (
    "Look at the address, at the endpoint and the credentials in the environment, and at the service itself; "
    "then run again: what was published is kept."
)


class StoreError(OSError):
    """The place that results lie in does not take or give a file; one sentence that says what happened, and a mend."""


class Objects:
    """The files under a path or URL.

    It is pickled as its address: whoever unpickles it takes credentials from an environment of his own.
    """

    def __init__(self, location: str) -> None:
        self.location = location
        self.is_remote = is_remote(location)
        with self._explained("opened"):
            self._client = _remote(location) if self.is_remote else LocalStore(location, mkdir=True)

    def __reduce__(self) -> tuple[type[Objects], tuple[str]]:
        return Objects, (self.location,)

    def listed(self, folder: str) -> Sequence[obstore.ObjectMeta]:
        """All files below a folder, none if it is not there.

        Raises:
            StoreError: the listing has no end, or is of more files than a store has.
        """
        found: list[obstore.ObjectMeta] = []
        with self._explained("listed"):
            for some in obstore.list(self._client, folder):
                if self.is_remote and found and some and some[0]["path"] <= found[-1]["path"]:
                    raise OSError("the server lists the same files again and again")
                found += some
                if len(found) > MOST_FILES:
                    raise OSError(f"there are more than {MOST_FILES:,} files")
        return found

    def paths(self, folder: str) -> list[str]:
        """The Parquet files right in a folder, ascending; nothing else is ever opened."""
        found = (meta["path"] for meta in self.listed(folder))
        return sorted(path for path in found if path.endswith(".parquet") and path.count("/") == folder.count("/") + 1)

    def get(self, path: str) -> memoryview:
        """The bytes of a file.

        Raises:
            FileNotFoundError: it is not there.
        """
        with self._explained("read"):
            return memoryview(obstore.get(self._client, path).bytes())

    def create(self, path: str, content: bytes) -> bool:
        """Creates a file whole; False if another one is there. The content must be unlike what any other process creates.

        An object store that has created the file but whose answer was lost says, when it is asked again, that the file is
        there: then it is looked at. The client repeats no such request after a lost answer, so it is done here.
        """
        deadline = time.monotonic() + PATIENCE.total_seconds()
        with self._explained("written"):
            while True:
                try:
                    self._create(path, content)
                except AlreadyExistsError:
                    return self.is_remote and obstore.get(self._client, path).bytes() == content
                except (NotFoundError, PermissionDeniedError, UnauthenticatedError):
                    raise  # it will not be otherwise in a minute
                except BaseError:
                    if not self.is_remote or time.monotonic() > deadline:
                        raise
                    time.sleep(1)
                else:
                    return True

    def replace(self, path: str, content: bytes) -> None:
        """Writes a file, in one step from what was there to this."""
        with self._explained("written"):
            if self.is_remote:
                obstore.put(self._client, path, content)
                return
            with self._staged(content) as staged:
                obstore.rename(self._client, staged, path)

    def delete(self, path: str) -> None:
        """Deletes a file; it may be gone already."""
        with self._explained("deleted"), suppress(FileNotFoundError, NotFoundError):
            obstore.delete(self._client, path)

    def sweep(self, before: datetime) -> None:
        """Drops what a process left half written on a disk before then; readers never see such files, nor does `listed`."""
        if not self.is_remote:
            for path in Path(self.location, "_pending").glob("*#*"):
                with suppress(OSError):
                    if datetime.fromtimestamp(path.stat().st_mtime, UTC) < before:
                        path.unlink()

    def _create(self, path: str, content: bytes) -> None:
        if self.is_remote:
            obstore.put(self._client, path, content, mode="create")
            return
        with self._staged(content) as staged:
            obstore.copy(self._client, staged, path, overwrite=False)

    @contextmanager
    def _staged(self, content: bytes) -> Iterator[str]:
        """Bytes on a disk away from where readers look: who is killed while he writes must leave no part of a file there."""
        staged = f"_pending/{uuid4().hex}-staged.parquet"
        try:
            obstore.put(self._client, staged, content)
            yield staged
        finally:
            with suppress(FileNotFoundError, NotFoundError, BaseError):
                obstore.delete(self._client, staged)

    @contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, NotFoundError) as error:
            if done == "read":
                raise FileNotFoundError(_first_line(error)) from error
            raise StoreError(self._sentence(done, error)) from error
        except (BaseError, OSError) as error:
            raise StoreError(self._sentence(done, error)) from error

    def _sentence(self, done: str, error: Exception) -> str:
        told = _first_line(error)
        if self.is_remote and "404 Not Found" in told:
            told = f"there is no bucket of that name at this endpoint ({told})"
        mend = next(
            (mend for words, mend in _MENDS.items() if words in told.lower()), "Look at the disk and its rights."
        )
        return f"{self.location} cannot be {done}: {told}. {_REMOTE_MEND if self.is_remote else mend}"


def _first_line(error: Exception) -> str:
    """What happened, without the library's inner view of it, and without a user's name and password in an address."""
    line = re.sub(r": <.*", "", str(error).partition("\n")[0])  # a server's answer as XML
    return printable(re.sub(r"//[^/@\s]*@", "//", line).rstrip(".")[:400])


def _remote(url: str) -> obstore.store.ObjectStore:
    """A client that asks a failing or slow server again for a minute, and then gives up."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    plain = endpoint.startswith("http://") or os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true")
    return from_url(
        url,
        client_options={"timeout": ANSWER_WITHIN, "connect_timeout": timedelta(seconds=5), "allow_http": plain},
        retry_config={
            "max_retries": 1000,  # time is what ends it
            "retry_timeout": PATIENCE,
            "backoff": {"init_backoff": timedelta(milliseconds=300), "max_backoff": timedelta(seconds=5), "base": 2},
        },
    )
