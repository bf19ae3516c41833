# shellcheck shell=sh
# Why a package manager failed, in one line. Needs nothing but awk.

# What tells the cause in the output of apt and dpkg. Their last lines say only that something failed,
# so the first line that names an error of the system is taken, else what a maintainer script said
# before dpkg gave it up, else the first error. Addresses without who logs in with them.
cause_in() { # FILE, or standard input
  awk '
    function told(line) {
      gsub(/:\/\/[^\/ \t]*@/, "://***@", line)
      gsub(/[ \t]+/, " ", line); sub(/^ /, "", line)
      return line
    }
    /No space left on device|Disk quota exceeded|Read-only file system|Input\/output error/ ||
    /Cannot allocate memory|Structure needs cleaning|Too many open files|Operation not permitted/ ||
    /Could not get lock|Unable to acquire the dpkg|is locked by another process/ {
      if (system_error == "") system_error = told($0)
    }
    /^ [^ ]+ : [A-Za-z-]+: / && unmet < 3 { unmet++; needs = needs (needs == "" ? "" : "; ") told($0) }
    /^dpkg: error processing / && failed == "" {
      failed = told($0); sub(/:$/, "", failed); sub(/^dpkg: /, "", failed)
      said = before
      wait = 1
      next
    }
    wait { if ($0 ~ /^ /) failed = told($0); wait = 0 }
    /^(E|Err|Error): / && first == "" { first = told($0); sub(/^E: /, "", first) }
    /^dpkg(-deb)?: error: / && first == "" { first = told($0) }
    /^(Setting up|Unpacking|Preparing to unpack|Selecting|Processing triggers|Reading|Building|Removing|Purging) / ||
    /^(\(Reading|dpkg: |E: |W: |N: )/ || /^[ \t]*$/ { before = ""; next }
    { before = told($0) }
    END {
      if (system_error != "") print system_error
      else if (failed != "") print failed (said == "" ? "" : ": " said)
      else if (needs != "") print needs (first == "" ? "" : "; " first)
      else print first
    }' "$@" 2>/dev/null
}
