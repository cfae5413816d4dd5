"""Files in an object store: created by a conditional put, and asked again while the service fails."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    NotFoundError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import from_url

from noiseflow.store.objects import StoreError, explained

PATIENCE = timedelta(seconds=60)
"""How long an object store that fails is asked again."""
ANSWER_WITHIN = timedelta(seconds=30)
"""How long one request may take; a large file on a slow line takes some seconds."""
MOST_LISTED = 1_000_000
"""Files in a folder; a service that lists more is not believed."""
_MEND = (
    "Look at the address, at the endpoint and the credentials in the environment, and at the service itself; "
    "then run again: what was published is kept."
)


class Client:
    """The five requests that an object store understands."""

    def __init__(self, url: str) -> None:
        self._client = _remote(url)

    def put(self, path: str, content: bytes, *, create: bool) -> None:
        """Puts a file; AlreadyExistsError if it was to be created and is there."""
        obstore.put(self._client, path, content, mode="create" if create else "overwrite")

    def get(self, path: str) -> bytes:
        """The bytes of a file."""
        return bytes(obstore.get(self._client, path).bytes())

    def head(self, path: str) -> Any:
        """What is known of a file."""
        return obstore.head(self._client, path)

    def list(self, folder: str) -> Iterator[Any]:
        """What is known of all files below a folder.

        Raises:
            OSError: the service lists the same files again and again.
        """
        last = ""
        for chunk in obstore.list(self._client, folder):
            if chunk and chunk[0]["path"] <= last:
                raise OSError("the server lists the same files again and again")
            yield from chunk
            last = chunk[-1]["path"] if chunk else last

    def delete(self, path: str) -> None:
        """Deletes a file."""
        obstore.delete(self._client, path)


class Bucket:
    """The files under a URL, as `Objects`.

    It is pickled as its address: whoever unpickles it takes credentials from its own environment.
    """

    is_remote = True

    def __init__(self, location: str, client: Client | None = None, at_once: int = 8) -> None:
        self.location = location
        self.at_once = at_once
        with self._explained("opened"):
            self._client = client or Client(location)

    def __reduce__(self) -> tuple[type[Bucket], tuple[str]]:
        return Bucket, (self.location,)

    def listed(self, folder: str) -> dict[str, str]:
        found: dict[str, str] = {}
        with self._explained("listed"):
            for meta in self._client.list(folder):
                if meta["path"].count("/") == folder.count("/") + 1:
                    found[meta["path"]] = _tag(meta)
                if len(found) > MOST_LISTED:
                    raise StoreError(
                        f"{self.location}/{folder} lists more than {MOST_LISTED:,} files. Look at the service."
                    )
        return dict(sorted(found.items()))

    def tag(self, path: str) -> str | None:
        try:
            with self._explained("read"):
                return _tag(self._client.head(path))
        except FileNotFoundError:
            return None

    def get(self, path: str) -> bytes:
        with self._explained("read"):
            return self._client.get(path)

    def create(self, path: str, content: bytes) -> bool:
        """Creates the file; False if another one is there.

        If an answer is lost, the service may have created the file, and says at the next request that it is there.
        So the bytes are compared. The client does not repeat such a request after a lost answer, so it is done here.
        """
        deadline = time.monotonic() + PATIENCE.total_seconds()
        with self._explained("written"):
            while True:
                try:
                    self._client.put(path, content, create=True)
                except AlreadyExistsError:
                    with suppress(FileNotFoundError, NotFoundError):  # if it is gone again, it is created again
                        return self._client.get(path) == content
                except (NotFoundError, PermissionDeniedError, UnauthenticatedError):
                    raise  # it will not be otherwise in a minute
                except BaseError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(1)
                else:
                    return True

    def replace(self, path: str, content: bytes) -> None:
        with self._explained("written"):
            self._client.put(path, content, create=False)

    def delete(self, path: str) -> None:
        with self._explained("deleted"):
            try:
                self._client.delete(path)
            except (FileNotFoundError, NotFoundError):
                return

    @contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        with explained(self.location, done, (BaseError, OSError), _MEND):
            try:
                yield
            except NotFoundError as error:
                raise FileNotFoundError(str(error).partition("\n")[0]) from error


def _tag(meta: Any) -> str:
    return str(meta["e_tag"] or f"{meta['last_modified']}-{meta['size']}")


def _remote(url: str) -> obstore.store.ObjectStore:
    """A client that asks a failing or slow server again for a minute, and then gives up."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    plain = endpoint.startswith("http://") or os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true")
    return from_url(
        url,
        client_options={"timeout": ANSWER_WITHIN, "connect_timeout": timedelta(seconds=5), "allow_http": plain},
        retry_config={
            "max_retries": 1000,  # the time limit ends it
            "retry_timeout": PATIENCE,
            "backoff": {"init_backoff": timedelta(milliseconds=300), "max_backoff": timedelta(seconds=5), "base": 2},
        },
    )
