# shellcheck shell=sh
# A Debian host; needs no network. Every version 1.0-1 is in /srv/patchlab/base.

sources() {
    install -m 0644 /srv/patchlab/keys/archive.gpg /usr/share/keyrings/patchlab.gpg
    rm -rf /etc/apt/sources.list.d/*
    cat >/etc/apt/sources.list <<'EOF'
deb [signed-by=/usr/share/keyrings/patchlab.gpg] file:/srv/patchlab/apt bookworm main
deb [signed-by=/usr/share/keyrings/patchlab.gpg] file:/srv/patchlab/apt bookworm-security main
EOF
}

own_packages() {
    mkdir -p /etc/patchlab
    dpkg -i /srv/patchlab/base/*.deb >/dev/null
    apt-mark -qq auto patchlab-lib
    # One old version that only the host's own cache still has.
    cp /srv/patchlab/base/patchlab-app_1.0-1_all.deb /var/cache/apt/archives/
}

main() {
    user
    ssh_server
    sources
    apt-get clean
    say "installing the lab's own packages"
    own_packages
    apt-get update -qq
    seal
}

main "$@" </dev/null
