"""What processes cost, read from /proc: CPU seconds of a tree, memory of its largest member."""

import contextlib
import os
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def tree(root: int) -> list[int]:
    """Return a process and all its descendants."""
    found = [root]
    for pid in found:
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def cpu_seconds(root: int) -> float:
    """Return the CPU time of a tree, with what its dead members spent."""
    return sum(_ticks(pid, with_dead=pid == root) for pid in tree(root)) / _TICK


def _ticks(pid: int, *, with_dead: bool) -> int:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(part) for part in fields[11 : 15 if with_dead else 13])
    return 0


def rss_mb(root: int) -> float:
    """Return the memory of the largest process in a tree."""
    return max(_pages(pid) for pid in tree(root)) * _PAGE / 2**20


def _pages(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return 0
