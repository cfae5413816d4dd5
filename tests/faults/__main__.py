"""How each row of the fault table in docs/operations/faults.md is produced, and which files of this checkout do it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROWS = {
    "1. SIGKILL of flow, worker, server, command, in each phase": [
        ("python -m tests.faults.kills --kills 50", "tests/faults/kills.py"),
        ("python -m tests.faults.publishing --kills 300", "tests/faults/publishing.py"),
        ("pytest tests/slow/test_kill.py: one kill a phase", "tests/slow/test_kill.py"),
        ("pytest tests/slow/test_ray.py: a Ray worker and a Ray node", "tests/slow/test_ray.py"),
    ],
    "2. SIGTERM, Ctrl-C, cancelling in the UI": [
        ("pytest tests/slow/test_operations*.py", "tests/slow/test_operations*.py")
    ],
    "3. Runs at once on one store, on disk and on S3": [
        ("pytest tests/slow/test_store_*.py", "tests/slow/test_store_*.py")
    ],
    "4. Bad Parquet files; a newer version's folder": [("pytest tests/test_store*.py", "tests/test_store*.py")],
    "5. Disk full, read-only disk, S3 errors": [("pytest tests/slow/test_store_*.py", "tests/slow/test_store_*.py")],
    "6. Server gone for 60 s": [("pytest tests/slow/test_operations*.py", "tests/slow/test_operations*.py")],
    "7. Out of memory; a batch that hangs; a process that dies": [
        ("pytest tests/slow/test_hang.py", "tests/slow/test_hang.py"),
        ("pytest tests/trials/test_workers.py", "tests/trials/test_workers.py"),
        ("pytest tests/slow/test_side_by_side.py", "tests/slow/test_side_by_side.py"),
    ],
    "8. Malformed studies and tables": [
        (
            "pytest tests/slow/test_malformed_studies.py --hypothesis-show-statistics",
            "tests/slow/test_malformed_studies.py",
        ),
        (
            "pytest tests/slow/test_malformed_tables.py --hypothesis-show-statistics",
            "tests/slow/test_malformed_tables.py",
        ),
    ],
}


def main() -> None:
    """Prints the rows; what is not in this checkout is said to be absent."""
    for row, sources in ROWS.items():
        print(row)
        for command, pattern in sources:
            there = "" if list(ROOT.glob(pattern)) else "   (absent here)"
            print(f"   {command}{there}")


if __name__ == "__main__":
    main()
