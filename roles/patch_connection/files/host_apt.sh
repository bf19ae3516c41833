# shellcheck shell=sh
# What only apt and dpkg know of a host: the questions that host_rules.sh asks by `of_manager`, and
# what discovery and transactions share besides. Needs host_rules.sh.
# shellcheck disable=SC2034  # used by what is put together with it

# --- host_rules.sh asks -------------------------------------------------------------------------

# dpkg does not write down when it installed something; packages leave the platform's marker.
apt_reboot_packages() { :; }

# The boot loader begins with the newest, unless somebody told it otherwise.
apt_next_kernel() {
  apt_running=$(uname -r)
  apt_newest=$(list_kernels | newest_kernel "$apt_running")
  if [ -z "$apt_newest" ] && [ -e "$BOOT/vmlinuz-$apt_running" ]; then apt_newest=$apt_running; fi
  printf '%s' "$apt_newest"
}

# What the folder of the transaction is asked for leaves room for its lists.
apt_work_folders() { :; }

# --- who works with the package manager ----------------------------------------------------------

# What apt and dpkg lock before they change packages; and what they lock to bring lists of packages.
# flock(2) does not keep apt out.
APT_LOCKS='/var/lib/dpkg/lock-frontend /var/lib/dpkg/lock'
APT_LISTS_LOCK=/var/lib/apt/lists/lock

# --- which updaters compete ----------------------------------------------------------------------

apt_updaters() { echo apt-daily.timer apt-daily-upgrade.timer apt-daily-upgrade.service; }

# unattended-upgrades.service is not among them: it waits for the shutdown.
apt_updaters_at_work() { echo apt-daily-upgrade.service; }

# What starts unattended-upgrades where there is no systemd.
APT_CRON=/etc/cron.daily/apt-compat

# Do apt's settings, as `apt-config dump` prints them on standard input, switch unattended-upgrades on?
# /usr/lib/apt/apt.systemd.daily does nothing at all where Enable is 0.
apt_upgrades_itself() {
  awk -F '"' '
    $1 == "APT::Periodic::Unattended-Upgrade " { every = tolower($2) }
    $1 == "APT::Periodic::Enable " { enable = $2 }
    END { exit every ~ /^(0|false|no|off|never|disable)?$/ || enable == "0" }'
}
