"""A fleet of throw-away hosts on this machine: real systemd, sshd and package managers.

`engine` speaks to podman or docker, `packages` describes the lab's own packages, `images` builds
and caches, `repository` publishes updates, `workspace` writes the operator's side, `fleet` joins
them to a lab.
"""
