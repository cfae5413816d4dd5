"""A disk and an object store in memory, that fail, tear, reorder, delay and lose what was not synced; and their schedules.

Processes are greenlets. Each request of a process is a step: before it, the schedule's random numbers decide which process
goes on, whether one is killed, and whether the request fails. One seed is one schedule, the same in every run.
"""

from __future__ import annotations

import errno
import random
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import greenlet
from obstore.exceptions import AlreadyExistsError, GenericError, NotFoundError

from noiseflow.store.disk import Entry, System

MOST_STEPS = 20_000


class Killed(BaseException):
    """The process is no more."""


@dataclass
class Process:
    """A process: what it does, and what became of it."""

    name: str
    run: Callable[[Process], None]
    number: int = 0
    alive: bool = True
    made: int = 0
    writes: int = 0
    faults: int = 0
    error: BaseException | None = None
    thread: Any = None


@dataclass
class World:
    """Processes that share a place, and the random numbers that decide all that happens to them."""

    seed: int
    faults: float = 0.0
    kills: float = 0.0
    sticky: float = 0.5
    events: list[Callable[[], None]] = field(default_factory=list)
    rng: random.Random = field(init=False)
    processes: list[Process] = field(default_factory=list)
    current: Process | None = None
    steps: int = 0
    asides: int = 0
    last: Process = field(default_factory=lambda: Process("whoever looks at the end", lambda _: None))

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)

    def add(self, name: str, run: Callable[[Process], None]) -> Process:
        """A process that is to run."""
        process = Process(name, run, number=len(self.processes) + 1)
        process.thread = greenlet.greenlet(lambda: self._run(process))
        self.processes.append(process)
        return process

    def _run(self, process: Process) -> None:
        try:
            process.run(process)
        except Killed:
            pass
        except Exception as error:  # noqa: BLE001 - the checks look at it
            process.error = error
        process.alive = False

    def go(self, check: Callable[[], None]) -> None:
        """Runs all processes to their ends, one step of one of them at a time."""
        running: Process | None = None
        while left := [process for process in self.processes if process.alive]:
            self.steps += 1
            assert self.steps < MOST_STEPS, "it goes on for ever"
            if running not in left or self.rng.random() > self.sticky:
                running = self.rng.choice(left)
            if self.rng.random() < self.kills:
                self.kill(running)
                continue
            if self.events and self.rng.random() < 0.02:
                self.events.pop()()
            self.current = running
            running.thread.switch()
            self.current = None
            if self.steps % 8 == 0:
                check()

    def kill(self, process: Process) -> None:
        """Ends a process where it stands."""
        process.alive = False
        self.current = process
        with suppress(Killed):  # of one that had not begun
            process.thread.throw(Killed)
        self.current = None

    def step(self, *, writes: bool = False) -> None:
        """Before each request: lets the others go on."""
        process = self.current
        if process is None:  # whoever looks at the end
            return
        if not process.alive:
            raise Killed
        process.writes += writes
        process.thread.parent.switch()

    def fails(self) -> bool:
        """Whether this request goes wrong."""
        if self.current is None or self.rng.random() >= self.faults:
            return False
        self.current.faults += 1
        return True

    def token(self, *, aside: bool = False) -> Token:
        """What takes the place of uuid4: by process and count, so that equal schedules make equal files."""
        process = self.current or self.last
        self.asides += aside
        process.made += not aside
        return Token(10**12 + self.asides if aside else process.number * 10_000 + process.made)


@dataclass(frozen=True)
class Token:
    """What a UUID is asked for."""

    number: int

    @property
    def hex(self) -> str:
        return f"{self.number:032x}"


@dataclass
class Inode:
    """A file's bytes; those that are sure, None if none are."""

    number: int
    content: bytes
    sure: bytes | None = None
    changes: int = 0


class SimulatedDisk(System):
    """A disk that keeps, when the power fails, what was synced, and any part of the rest."""

    def __init__(
        self, world: World, root: str, *, links: bool = True, syncs_files: bool = True, syncs_folders: bool = True
    ):
        self.world, self.links, self.syncs_files, self.syncs_folders = world, links, syncs_files, syncs_folders
        self.names: dict[str, Inode | None] = {"": None, root: None}  # None is a folder
        self.sure: dict[str, Inode | None] = dict(self.names)
        self.unsure: list[tuple[str, Inode | None, bool]] = []  # name, what, given or taken
        self.inodes = 0
        self.holder: Process | None = None
        self.root = root

    def _begin(self, path: str, *, writes: bool = False) -> None:
        self.world.step(writes=writes)
        if self.world.fails():
            code = self.world.rng.choice([errno.EIO, errno.ENOSPC, errno.ESTALE, 0])
            if not code:
                raise MemoryError
            raise OSError(code, "made to fail", path)

    def _folder(self, path: str) -> str:
        folder = path.rpartition("/")[0]
        if folder not in self.names:
            raise FileNotFoundError(errno.ENOENT, "no such folder", path)
        return folder

    def scan(self, folder: str) -> dict[str, Entry]:
        self._begin(folder)
        if folder not in self.names:
            raise FileNotFoundError(errno.ENOENT, "no such folder", folder)
        inside = [name for name in self.names if name.rpartition("/")[0] == folder and name]
        return {name.rpartition("/")[2]: self._entry(name) for name in inside}

    def _entry(self, path: str) -> Entry:
        inode = self.names[path]
        return Entry(stat.S_IFDIR, "") if inode is None else Entry(stat.S_IFREG, f"{inode.number}-{inode.changes}")

    def entry(self, path: str) -> Entry | None:
        return self._entry(path) if path in self.names else None  # no step of its own: it would only double them

    def read(self, path: str) -> bytes:
        self._begin(path)
        inode = self.names.get(path)
        if inode is None:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        return inode.content

    def write(self, path: str, content: bytes) -> None:
        self._begin(path, writes=True)
        self._folder(path)
        assert path not in self.names
        self.inodes += 1
        inode = Inode(self.inodes, content[: len(content) // 2])
        self.give(path, inode)
        self._begin(path, writes=True)
        inode.content = content
        inode.changes += 1

    def sync(self, path: str) -> None:
        self._begin(path)
        inode = self.names.get(path)
        if inode is not None:
            inode.sure = inode.content if self.syncs_files else inode.sure
        elif self.syncs_folders:
            for name, what, given in self.unsure:
                if name.rpartition("/")[0] == path:
                    self._settle(name, what, given=given)
            self.unsure = [one for one in self.unsure if one[0].rpartition("/")[0] != path]

    def _settle(self, name: str, what: Inode | None, *, given: bool) -> None:
        if given:
            self.sure[name] = what
        else:
            self.sure.pop(name, None)

    def give(self, path: str, inode: Inode | None) -> None:
        self.names[path] = inode
        self.unsure.append((path, inode, True))

    def link(self, path: str, name: str) -> None:
        self._begin(name, writes=True)
        if not self.links:
            raise OSError(errno.EPERM, "Operation not permitted", name)
        self._folder(name)
        if path not in self.names:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        if name in self.names:
            raise FileExistsError(errno.EEXIST, "File exists", name)
        self.give(name, self.names[path])

    def rename(self, path: str, name: str) -> None:
        self._begin(name, writes=True)
        self._folder(name)
        if path not in self.names:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        self.give(name, self.names[path])
        self._take(path)

    def unlink(self, path: str) -> None:
        self._begin(path, writes=True)
        if path not in self.names:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        self._take(path)

    def _take(self, path: str) -> None:
        self.unsure.append((path, self.names.pop(path), False))

    def make_folder(self, path: str) -> None:
        self._begin(path, writes=True)
        self._folder(path)
        if path in self.names:
            raise FileExistsError(errno.EEXIST, "File exists", path)
        self.give(path, None)

    @contextmanager
    def locked(self, path: str) -> Iterator[None]:
        self._folder(path)
        me = self.world.current
        while self.holder is not None and self.holder.alive and self.holder is not me:
            self.world.step()
        self.holder = me
        try:
            yield
        finally:
            self.holder = None if self.holder is me else self.holder

    def lose_power(self) -> None:
        """What was not synced is there, is not, or is there in part."""
        rng = self.world.rng
        for name, what, given in self.unsure:
            if rng.random() < 0.5:
                self._settle(name, what, given=given)
        self.unsure = []
        kept = {name for name in self.sure if self._reachable(name)}
        self.names = {name: self._survivor(self.sure[name]) for name in kept}
        self.sure = dict(self.names)

    def _reachable(self, name: str) -> bool:
        folders = name.split("/")
        return all("/".join(folders[:k]) in self.sure for k in range(1, len(folders)))

    def _survivor(self, inode: Inode | None) -> Inode | None:
        if inode is None:
            return None
        if inode.content != inode.sure:
            rng, content = self.world.rng, inode.content
            part = content[: rng.randrange(len(content) + 1)]
            inode.content = rng.choice([content, part, part.ljust(len(content), b"\0"), inode.sure or b""])
            inode.changes += 1
        inode.sure = inode.content
        return inode

    # -- what the checks look at, and what other hands do ---------------------------------------------------------------

    def files(self) -> dict[str, bytes]:
        """All files by their path within the store."""
        begin = len(self.root) + 1
        return {
            name[begin:]: inode.content for name, inode in self.names.items() if inode and name.startswith(self.root)
        }

    def put(self, path: str, content: bytes, *, quietly: bool = False) -> None:
        """Another hand, or a failing disk, writes a file; quietly: its tag stays."""
        name = f"{self.root}/{path}"
        inode = self.names.get(name)
        if inode is not None:
            inode.content = inode.sure = content
            inode.changes += not quietly
            return
        folders = name.split("/")[:-1]
        for k in range(1, len(folders) + 1):
            self.names.setdefault("/".join(folders[:k]), None)
            self.sure.setdefault("/".join(folders[:k]), None)
        self.inodes += 1
        self.names[name] = self.sure[name] = Inode(self.inodes, content, content)

    def remove(self, path: str) -> None:
        """Another hand deletes a file."""
        name = f"{self.root}/{path}"
        self.names.pop(name, None)
        self.sure.pop(name, None)
        self.unsure = [one for one in self.unsure if one[0] != name]


class SimulatedService:
    """An object store whose answers fail, are lost or late; a request that seemed lost may still be done later."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.objects: dict[str, tuple[int, bytes]] = {}
        self.late: list[Callable[[], None]] = []
        self.changes = 0
        self.seconds = 0.0

    def _begin(self, *, writes: bool = False) -> None:
        self.world.step(writes=writes)
        if self.late and self.world.rng.random() < 0.2:
            self.late.pop(self.world.rng.randrange(len(self.late)))()

    def _answer(self) -> None:
        if self.world.fails():
            raise GenericError("503 Slow Down")

    def put(self, path: str, content: bytes, *, create: bool) -> None:
        self._begin(writes=True)
        how = self.world.rng.choice(["refused", "lost", "late"]) if self.world.fails() else ""
        if how == "late":
            self.late.append(lambda: None if create and path in self.objects else self.put_now(path, content))
        if how in ("refused", "late"):
            raise GenericError("503 Slow Down")
        if create and path in self.objects:
            raise AlreadyExistsError(path)
        self.put_now(path, content)
        if how == "lost":
            raise GenericError("timed out")

    def put_now(self, path: str, content: bytes) -> None:
        self.changes += 1
        self.objects[path] = (self.changes, content)

    def get(self, path: str) -> bytes:
        self._begin()
        self._answer()
        if path not in self.objects:
            raise NotFoundError(path)
        return self.objects[path][1]

    def head(self, path: str) -> dict[str, Any]:
        self._begin()
        self._answer()
        if path not in self.objects:
            raise NotFoundError(path)
        return self._meta(path)

    def _meta(self, path: str) -> dict[str, Any]:
        return {"path": path, "e_tag": str(self.objects[path][0]), "size": 0, "last_modified": None}

    def list(self, folder: str) -> list[dict[str, Any]]:
        self._begin()
        self._answer()
        return [self._meta(path) for path in self.objects if path.startswith(f"{folder}/")]

    def delete(self, path: str) -> None:
        self._begin(writes=True)
        self._answer()
        self.objects.pop(path, None)

    # the module `time` as a bucket sees it

    def monotonic(self) -> float:
        self.seconds += 1.0
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += 5 * seconds
        self.world.step()

    # what the checks look at, and what other hands do

    def files(self) -> dict[str, bytes]:
        return {path: content for path, (_, content) in self.objects.items()}

    def put_by_hand(self, path: str, content: bytes, *, quietly: bool = False) -> None:
        if quietly and path in self.objects:
            self.objects[path] = (self.objects[path][0], content)
        else:
            self.put_now(path, content)

    def remove(self, path: str) -> None:
        self.objects.pop(path, None)

    def lose_power(self) -> None:
        """It never loses what it has answered; what is under way may still arrive."""
