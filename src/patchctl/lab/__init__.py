"""Run a fleet of throw-away hosts on this machine: real systemd, sshd and package managers.

`engine` runs podman or docker, `packages` describes the lab's own packages, `images` builds and
caches images, `workspace` writes the operator's workspace, and `fleet` makes a whole lab of them.
"""
