# shellcheck shell=sh
# Facts about a host that only apt and dpkg know: the answers to what host_rules.sh asks with `of_manager`,
# and functions that discovery and transactions share. Needs host_rules.sh.
# shellcheck disable=SC2034  # used by what is put together with it

# --- host_rules.sh asks -------------------------------------------------------------------------

# dpkg records no time of installation; packages that need a reboot write the platform's marker.
apt_reboot_packages() { :; }

# The boot loader starts the newest kernel, unless somebody configured another one.
apt_next_kernel() {
  apt_running=$(uname -r)
  apt_newest=$(list_kernels | newest_kernel "$apt_running")
  if [ -z "$apt_newest" ] && [ -e "$BOOT/vmlinuz-$apt_running" ]; then apt_newest=$apt_running; fi
  printf '%s' "$apt_newest"
}

# apt's lists need little room: the room that is asked for in the transaction's folder is enough.
apt_work_folders() { :; }

# --- who works with the package manager ----------------------------------------------------------

# The files that apt and dpkg lock before they change packages, and those that they lock to fetch package
# lists. A flock(2) does not stop apt.
APT_LOCKS='/var/lib/dpkg/lock-frontend /var/lib/dpkg/lock'
APT_LISTS_LOCK=/var/lib/apt/lists/lock

# --- which updaters compete ----------------------------------------------------------------------

apt_updaters() { echo apt-daily.timer apt-daily-upgrade.timer apt-daily-upgrade.service; }

# unattended-upgrades.service is not among them: it waits for the shutdown.
apt_updaters_at_work() { echo apt-daily-upgrade.service; }

# The file that starts unattended-upgrades where there is no systemd.
APT_CRON=/etc/cron.daily/apt-compat

# Do apt's settings, as `apt-config dump` prints them on standard input, enable unattended-upgrades?
# /usr/lib/apt/apt.systemd.daily does nothing at all if Enable is 0.
apt_upgrades_itself() {
  awk -F '"' '
    $1 == "APT::Periodic::Unattended-Upgrade " { every = tolower($2) }
    $1 == "APT::Periodic::Enable " { enable = $2 }
    END { exit every ~ /^(0|false|no|off|never|disable)?$/ || enable == "0" }'
}
