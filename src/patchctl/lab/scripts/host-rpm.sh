# shellcheck shell=sh
# A host of the dnf family: Debian's root with a real dnf and rpm and no trace of apt and dpkg.
# Needs the network. $1: Debian mirror, $2: release of this root. Every version 1.0-1 is in /srv/patchlab/rpm-base.

dnf_and_rpm() {
    echo "deb $1 $2 main" >/etc/apt/sources.list
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends dnf dnf-plugins-core python3-dnf rpm >/dev/null
    # Debian's rpm keeps its database in the home of whoever calls it.
    mkdir -p /etc/rpm /var/lib/rpm /etc/yum.repos.d /etc/pki/rpm-gpg
    # Scriptlets of rpm 4.20 get namespaces of their own, which a container may not make.
    printf '%s\n' '%_dbpath /var/lib/rpm' '%__transaction_unshare %{nil}' >/etc/rpm/macros
    rpm --initdb
    echo 9 >/etc/dnf/vars/releasever
    # It would put a copy of every package into a repository that does not exist.
    sed -i 's/^enabled *=.*/enabled = false/' /etc/dnf/plugins/local.conf
}

repositories() {
    install -m 0644 /srv/patchlab/keys/archive.asc /etc/pki/rpm-gpg/RPM-GPG-KEY-patchlab
    rpm --import /etc/pki/rpm-gpg/RPM-GPG-KEY-patchlab
    cat >/etc/yum.repos.d/patchlab.repo <<'EOF'
[patchlab]
name=patchlab
baseurl=file:///srv/patchlab/rpm
enabled=1
gpgcheck=1
repo_gpgcheck=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-patchlab
EOF
}

own_packages() {
    mkdir -p /etc/patchlab
    base() {
        dnf -q -y --repofrompath=base,file:///srv/patchlab/rpm-base --repo=base --nogpgcheck "$@"
    }
    base module enable patchlab:1 >/dev/null
    base install 'patchlab-*' >/dev/null
    # dnf ends well where a post-install script failed.
    systemctl is-enabled --quiet patchlab-web.socket patchlab-daemon.service
    dnf -q mark remove patchlab-lib patchlab-codec >/dev/null
    # What counts as the core of this system, beside the names that dnf has of its own.
    mkdir -p /etc/dnf/plugins/needs-restarting.d
    printf '%s\n' patchlab-boot patchlab-kernel >/etc/dnf/plugins/needs-restarting.d/patchlab.conf
    dnf -q -y makecache >/dev/null
}

no_apt() {
    cat >/etc/os-release.new <<'EOF'
NAME="Patchlab Linux"
VERSION="9.0"
ID="patchlab"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.0"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Patchlab Linux 9.0"
EOF
    rm -f /etc/os-release
    mv /etc/os-release.new /etc/os-release
    cp /etc/os-release /usr/lib/os-release
    rm -f /etc/debian_version
    systemctl disable --quiet apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer
    rm -f /usr/bin/apt /usr/bin/apt-* /usr/bin/dpkg /usr/bin/dpkg-* \
        /usr/lib/systemd/system/apt-* /usr/lib/systemd/system/dpkg-*
    rm -rf /etc/apt /var/lib/apt /var/cache/apt /var/lib/dpkg
}

main() {
    user
    ssh_server
    say "installing dnf and rpm"
    dnf_and_rpm "$1" "$2"
    repositories
    say "installing the lab's own packages"
    own_packages
    no_apt
    seal
}

main "$@" </dev/null
