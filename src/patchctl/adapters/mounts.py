"""Which kind of file system is it? Read from /proc/self/mountinfo (proc(5))."""

import os
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")


def kind(place: Path) -> str:
    """`ext4`, `tmpfs`, `nfs4`; "" where the kernel does not tell (btrfs numbers its subvolumes
    otherwise). Raises OSError where there is no such place."""
    device = place.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = _MOUNTS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    for line in lines:  # 36 35 98:0 /root /mount options - KIND source options
        left, _, right = line.partition(" - ")
        if left.split()[2:3] == [wanted]:
            return right.split(" ", 1)[0]
    return ""
