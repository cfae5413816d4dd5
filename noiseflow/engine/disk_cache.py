"""Compiled programs on disk: a second process that trains the same form compiles nothing.

TensorFlow itself keeps what XLA compiled for a CPU, one file a program, found by the program's own text. An environment
variable says where; it reads that once, when it first computes. What it does not see to is done here. Its files are machine
code, so their folder belongs to the user alone, and to one version of TensorFlow and one kind of processor. They have no
checksums, and a flipped bit would give wrong numbers or end the process, so each gets one beside it, and what has none or
another is thrown away before TensorFlow can read it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import stat
import sys
from functools import cache
from importlib.metadata import version
from pathlib import Path

VARIABLE = "NOISEFLOW_CACHE"
"""Names the folder, or is `off`; unless it is set the folder is `noiseflow` in the user's caches."""
OFF = "off"
MOST_BYTES = 2**28
"""Of a folder when a process starts: some hundred programs, which are read in a fraction of a second."""
_FLAGS = "TF_XLA_FLAGS"
_FOLDER = "--tf_xla_persistent_cache_directory="
_KINDS = "--tf_xla_persistent_cache_device_types=CPU,XLA_CPU_JIT"
_LOG_LEVEL, _QUIET = "TF_CPP_MIN_LOG_LEVEL", "3"
_DIGEST = ".sha256"


def keep_programs() -> None:
    """Has TensorFlow keep its compiled programs and use those that are sound, if it has not computed yet.

    Nothing is kept where the variable says `off`, where TensorFlow has another folder, where no folder of the user's alone can
    be made, and where TensorFlow is there and talks: it would write two lines for each program that it reads.
    """
    if "tensorflow" not in sys.modules:
        os.environ.setdefault(_LOG_LEVEL, _QUIET)
    flags = os.environ.get(_FLAGS, "")
    try:
        if os.environ.get(VARIABLE) == OFF or os.environ.get(_LOG_LEVEL) != _QUIET:
            return
        if _FOLDER in flags and f"{_FOLDER}{_folder()}" not in flags.split():
            return
        _require_own(_folder())
        _drop_unsound(_folder())
    except (OSError, RuntimeError):  # a full or read-only disk, no home: all is compiled anew
        return
    if _FOLDER not in flags:
        os.environ[_FLAGS] = f"{flags} {_FOLDER}{_folder()} {_KINDS}".strip()


def seal() -> None:
    """Puts checksums beside the programs that have none yet; to be called after something was compiled."""
    try:
        if f"{_FOLDER}{_folder()}" not in os.environ.get(_FLAGS, "").split():
            return
        names = {path.name for path in _folder().iterdir()}
        for name in names:
            if name.endswith(".pb") and name + _DIGEST not in names:
                waiting = _folder() / f"{name}.{os.getpid()}"
                waiting.write_text(_digest(_folder() / name), encoding="ascii")
                waiting.replace(_folder() / (name + _DIGEST))
    except OSError:  # a full disk, or a folder that somebody deleted: they are compiled anew
        return


@cache
def _folder() -> Path:
    given, caches = os.environ.get(VARIABLE), os.environ.get("XDG_CACHE_HOME")
    base = Path(given) if given else (Path(caches) if caches else Path.home() / ".cache") / "noiseflow"
    folder = base.absolute() / f"programs-{_identity()}"
    if any(character.isspace() for character in str(folder)):
        raise NotADirectoryError(f"TensorFlow takes no folder with a blank in its name: {folder}")
    return folder


def _identity() -> str:
    """What programs depend on besides their text: TensorFlow's version, and what the processor can do."""
    processor = platform.machine() + platform.processor()
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor += "".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
    return f"{version('tensorflow')}-{hashlib.sha256(processor.encode()).hexdigest()[:12]}"


def _require_own(folder: Path) -> None:
    """Makes the folder if need be.

    Raises:
        OSError: it is a link, belongs to somebody else, or others may write there.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    seen = folder.lstat()
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.geteuid() or seen.st_mode & 0o022:
        raise PermissionError(f"{folder} is not a folder of this user alone")


def _drop_unsound(folder: Path) -> None:
    """Removes the programs without a right checksum, and the oldest of the others until they have at most MOST_BYTES."""
    kept = 0
    for path in sorted(folder.glob("*.pb"), key=lambda found: -found.stat().st_mtime):
        beside = folder / (path.name + _DIGEST)
        size = path.stat().st_size
        if kept + size > MOST_BYTES or not beside.is_file() or beside.read_text(encoding="ascii") != _digest(path):
            path.unlink(missing_ok=True)
            beside.unlink(missing_ok=True)
        else:
            kept += size


def _digest(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
