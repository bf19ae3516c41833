#!/bin/sh
# Makes a host inside a container of the base image: what is the same for every kind of host. Stands
# before host-debian.sh and host-rpm.sh. /srv/patchlab is a lab's repository in its first state.
set -eu
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

say() { echo "lab: host image: $*" >&2; }

user() {
    useradd -m -s /bin/bash ops
    echo 'ops ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/ops
    chmod 0440 /etc/sudoers.d/ops
}

ssh_server() {
    rm -f /etc/ssh/ssh_host_*
    cat >/etc/ssh/sshd_config.d/patchlab.conf <<'EOF'
HostKey /etc/ssh/ssh_host_ed25519_key
PasswordAuthentication no
PermitRootLogin no
UseDNS no
EOF
    # What cloud-init does on a real machine: an own host key and the operator's public key.
    cat >/usr/local/sbin/patchlab-firstboot <<'EOF'
#!/bin/sh
set -eu
[ -s /etc/ssh/ssh_host_ed25519_key.pub ] ||
    ssh-keygen -q -t ed25519 -N '' -C "$(uname -n)" -f /etc/ssh/ssh_host_ed25519_key
if [ ! -e /home/ops/.ssh/authorized_keys ]; then
    install -d -m 0700 -o ops -g ops /home/ops/.ssh
    install -m 0600 -o ops -g ops /srv/patchlab/keys/ops.pub /home/ops/.ssh/authorized_keys
fi
EOF
    chmod 0755 /usr/local/sbin/patchlab-firstboot
    cat >/etc/systemd/system/patchlab-firstboot.service <<'EOF'
[Unit]
Description=Keys of a new lab host
Before=ssh.service

[Service]
Type=oneshot
ExecStart=/usr/local/sbin/patchlab-firstboot
RemainAfterExit=yes

[Install]
WantedBy=multi-user.target
EOF
    systemctl enable --quiet patchlab-firstboot.service ssh.service
}

seal() {
    : >/etc/machine-id
    rm -f /var/lib/dbus/machine-id
    find /var/log -type f -exec truncate -s 0 {} +
    rm -rf /tmp/* /var/tmp/*
}
