"""Tell which kind of file system a path is on, from /proc/self/mountinfo (proc(5))."""

import os
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")


def kind(path: Path) -> str:
    """`ext4`, `tmpfs`, `nfs4`; "" where the kernel does not say (btrfs numbers its subvolumes
    otherwise). Raises OSError where there is no such path."""
    device = path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = _MOUNTS.read_text("utf-8", "replace").splitlines()
    except OSError:
        return ""
    for line in lines:  # 36 35 98:0 /root /mount options - KIND source options
        left, _, right = line.partition(" - ")
        if left.split()[2:3] == [number]:
            return right.split(" ", 1)[0]
    return ""
