"""Files on a disk: written aside, synced, and only then given their name, so that a power cut takes nothing that counts.

A file gets its name by a hard link, which the system refuses where the name is taken. Where a file system has no hard links
it is renamed instead, under a lock that the system gives back when its process dies. Symbolic links, pipes and folders in the
place of a file are refused, never followed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from noiseflow.store.objects import StoreError, explained

ASIDE = "_pending"
ATTEMPTS = 5
"""Times that a file is written anew after it was deleted before it had its name."""
LOCK = f"{ASIDE}/publishing.lock"
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EINVAL}
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}
_KINDS = {stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a pipe", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket"}


@dataclass(frozen=True)
class Entry:
    """What is under a name: the kind of file, and a tag that changes whenever its bytes do."""

    kind: int
    tag: str

    @classmethod
    def of(cls, status: os.stat_result) -> Entry:
        """The entry of what the system says."""
        return cls(stat.S_IFMT(status.st_mode), f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}")


class System:
    """The calls to a disk. The machine may stop at any of them; only what was synced is sure to be there then."""

    def scan(self, folder: str) -> dict[str, Entry]:
        """The names in a folder; links are not followed."""
        found = {}
        with os.scandir(folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):
                    found[entry.name] = Entry.of(entry.stat(follow_symlinks=False))
        return found

    def entry(self, path: str) -> Entry | None:
        """What is under a path; None if nothing is."""
        try:
            return Entry.of(os.lstat(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read(self, path: str) -> bytes:
        """The bytes of a file; of a pipe it does not wait for any."""
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            return file.read()

    def write(self, path: str, content: bytes) -> None:
        """Writes a file that is not there yet."""
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with os.fdopen(handle, "wb") as file:
            file.write(content)

    def sync(self, path: str) -> None:
        """Waits until a file's bytes, or a folder's names, are on the disk itself."""
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno != errno.EINVAL:  # a file system that syncs no folders
                raise
        finally:
            os.close(handle)

    def link(self, path: str, name: str) -> None:
        """Gives a file a second name; FileExistsError if it is taken."""
        os.link(path, name, follow_symlinks=False)

    def rename(self, path: str, name: str) -> None:
        """Gives a file another name; what had it is gone."""
        os.rename(path, name)  # noqa: PTH104 - the other requests are the system's own too

    def unlink(self, path: str) -> None:
        """Takes a name away."""
        os.unlink(path)  # noqa: PTH108

    def make_folder(self, path: str) -> None:
        """Makes a folder in one that is there."""
        os.mkdir(path)  # noqa: PTH102

    @contextmanager
    def locked(self, path: str) -> Iterator[None]:
        """Within it no other process is; the system gives a dead process's lock back."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


class Disk:
    """The files under a folder, as `Objects`. The folder is made when the first file is written."""

    is_remote = False

    def __init__(self, location: str, system: System | None = None, at_once: int = 4) -> None:
        self.location = location
        self.at_once = at_once
        self._system = system or System()

    def __reduce__(self) -> tuple[type[Disk], tuple[str]]:
        return Disk, (self.location,)

    def listed(self, folder: str) -> dict[str, str]:
        with self._explained("listed"):
            return {path: entry.tag for path, entry in self._entries(folder) if self._is_file(path, entry)}

    def tag(self, path: str) -> str | None:
        with self._explained("read"):
            entry = self._system.entry(self._at(path))
            return None if entry is None else self._plain(path, entry).tag

    def get(self, path: str) -> bytes:
        with self._explained("read"):
            at = self._at(path)
            entry = self._system.entry(at)
            if entry is None:
                raise FileNotFoundError(at)
            self._plain(path, entry)
            return self._system.read(at)

    def create(self, path: str, content: bytes) -> bool:
        with self._explained("written"):
            return self._write_and_place(path, content, self._give_name)

    def replace(self, path: str, content: bytes) -> None:
        with self._explained("written"):
            self._write_and_place(path, content, self._renamed)

    def delete(self, path: str) -> None:
        with self._explained("deleted"), suppress(FileNotFoundError):
            self._system.unlink(self._at(path))

    # -- names ----------------------------------------------------------------------------------------------------------

    def _entries(self, folder: str) -> list[tuple[str, Entry]]:
        try:
            found = self._system.scan(self._at(f"{folder}/"))
        except FileNotFoundError:
            return []
        return [(f"{folder}/{name}", found[name]) for name in sorted(found)]

    def _at(self, path: str) -> str:
        """The path on the disk, once no folder of it within the store is a link."""
        folder, parts = self.location, path.split("/")
        for part in parts[:-1]:
            folder = f"{folder}/{part}"
            entry = self._system.entry(folder)
            if entry is not None and entry.kind != stat.S_IFDIR:
                self._refuse(folder, entry, "a folder")
        return f"{folder}/{parts[-1]}".rstrip("/")

    def _is_file(self, path: str, entry: Entry) -> bool:
        """Whether it is a file; a folder, pipe or device in place of Parquet or JSON is refused."""
        if path.endswith((".parquet", ".json")):
            self._plain(path, entry)
        return entry.kind == stat.S_IFREG

    def _plain(self, path: str, entry: Entry | None) -> Entry:
        if entry is not None and entry.kind != stat.S_IFREG:
            self._refuse(f"{self.location}/{path}", entry, "a plain file")
        return entry or Entry(stat.S_IFREG, "")

    def _refuse(self, at: str, entry: Entry, wanted: str) -> None:
        kind = _KINDS.get(entry.kind, "a device")
        raise StoreError(
            f"{at} must be {wanted}; it is {kind}, which a store does not follow. Move it away, then run again."
        )

    # -- writing --------------------------------------------------------------------------------------------------------

    def _write_and_place(self, path: str, content: bytes, place: Callable[[str, str], bool]) -> bool:
        """Writes a file aside and has it placed; again if another process took it for a dead one's, or deleted the folder."""
        for attempt in range(ATTEMPTS):
            try:
                with self._aside(path, content) as aside:
                    placed = place(aside, path)
                    self._system.sync(str(Path(self._at(path)).parent))
                    return placed
            except FileNotFoundError:
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError  # the last attempt returns or raises

    def _give_name(self, aside: str, path: str) -> bool:
        """Gives a file its name; False if it is taken."""
        at = self._at(path)
        try:
            self._system.link(aside, at)
        except FileExistsError:
            self._plain(path, self._system.entry(at))
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            return self._give_name_under_lock(aside, path)
        return True

    def _renamed(self, aside: str, path: str) -> bool:
        self._system.rename(aside, self._at(path))
        return True

    @contextmanager
    def _aside(self, path: str, content: bytes) -> Iterator[str]:
        """The bytes, synced, away from where readers look; whatever happens next, no part of a file is left there."""
        aside = self._at(f"{ASIDE}/{uuid4().hex}-staged.parquet")
        for folder in (ASIDE, path.rpartition("/")[0]):
            self._make_folder(f"{self.location}/{folder}".rstrip("/"))
        try:
            self._system.write(aside, content)
            self._system.sync(aside)
            yield aside
        finally:
            with suppress(OSError):
                self._system.unlink(aside)

    def _make_folder(self, folder: str) -> None:
        """Makes a folder and those above it, and has their names on the disk."""
        if self._system.entry(folder) is not None:
            return
        above = str(Path(folder).parent)
        self._make_folder(above)
        with suppress(FileExistsError):
            self._system.make_folder(folder)
        self._system.sync(above)

    def _give_name_under_lock(self, aside: str, path: str) -> bool:
        """Gives the file its name without hard links: under a lock, so that nobody takes the name after it was found free."""
        try:
            with self._system.locked(self._at(LOCK)):
                at = self._at(path)
                if (entry := self._system.entry(at)) is not None:
                    self._plain(path, entry)
                    return False
                self._system.rename(aside, at)
                return True
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            raise StoreError(
                f"{self.location} cannot be written: its file system has neither hard links nor locks, so that two processes "
                "could overwrite each other's results. Choose a place on another file system."
            ) from error

    @contextmanager
    def _explained(self, done: str) -> Iterator[None]:
        with explained(self.location, done, (OSError,)):
            yield
