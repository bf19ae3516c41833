# shellcheck shell=sh
# Finds in one line why a package manager failed. Needs only awk.

# Prints the cause from the output of apt and dpkg. Their last lines, and often their first `E:`, only say that
# something failed. So it takes the first of these that exists:
# - a line that names an error of the system
# - the output of a maintainer script before dpkg reported its failure; other packages fail because of it
# - the dependency that is not met, and the package that needs it: from dpkg, which has begun, then from apt
# - the host name that does not resolve
# - the first error
cause_in() { # FILE, or standard input
  awk '
    /^Waiting for cache lock/ { next } # it came to its end
    function told(line) {
      gsub(/:\/\/[^\/ \t]*@/, "://***@", line) # not who logs in there
      gsub(/[ \t]+/, " ", line); sub(/^ /, "", line); sub(/ $/, "", line)
      return line
    }
    function unresolved(line,  at) {
      at = match(line, /(Could not resolve|Temporary failure resolving|Something wicked happened resolving) \047[^\047]+\047/)
      if (!at) return ""
      line = substr(line, RSTART, RLENGTH)
      sub(/^[^\047]*\047/, "", line); sub(/\047$/, "", line)
      return line
    }
    function need(text) { if (unmet++ < 3) needs = needs (needs == "" ? "" : "; ") text }
    /No space left on device|Disk quota exceeded|Read-only file system|Input\/output error/ ||
    /Cannot allocate memory|Structure needs cleaning|Too many open files|Operation not permitted/ ||
    /Could not get lock|Unable to acquire the dpkg|is locked by another process/ {
      if (system_error == "") system_error = told($0)
    }
    # Of apt: ` WHO : Depends: WHAT`, further needs of WHO below it, alternatives below an `or`.
    either { either = / or$/; if (unmet <= 3) needs = needs " " told($0); next }
    /^ [^ ]+ : [A-Za-z-]+: / { who = $1; need(told($0)); either = / or$/; next }
    who != "" && /^  +[A-Za-z-]+: / { need(who " : " told($0)); either = / or$/; next }
    { who = "" }
    # Of dpkg: what is wanted by whom, and why that is not so, up to an empty line.
    /^dpkg: dependency problems / { lacking = ""; listed = 1; next }
    listed && /^ / { lacking = lacking (lacking == "" ? "" : " ") told($0); next }
    listed { listed = 0 }
    /^dpkg: error processing / {
      broken = told($0); sub(/:$/, "", broken); sub(/^dpkg: /, "", broken)
      said = before
      wait = 1
      next
    }
    wait {
      wait = 0
      if ($0 ~ /^ dependency problems/) {
        if (depends == "") depends = lacking == "" ? broken : lacking
      } else if (failed == "") {
        failed = ($0 ~ /^ / ? told($0) : broken) (said == "" ? "" : ": " said)
      }
    }
    (name = unresolved($0)) != "" && (/^W: / ? unsure == "" : unknown == "") {
      if (/^W: /) unsure = name
      else unknown = name
    }
    /^(E|Err|Error): / && first == "" { first = told($0); sub(/^(E|Error): /, "", first) }
    /^dpkg(-deb)?: error: / && first == "" { first = told($0) }
    /^(Setting up|Unpacking|Preparing to unpack|Selecting|Processing triggers|Reading|Building|Removing|Purging) / ||
    /^(\(Reading|dpkg: |E: |W: |N: )/ || /^[ \t]*$/ { before = ""; next }
    { before = told($0) }
    END {
      if (unknown == "" && first == "") unknown = unsure
      if (system_error != "") print system_error
      else if (failed != "") print failed
      else if (depends != "") print depends
      else if (needs != "") print needs
      else if (unknown != "") print "the name " unknown " does not resolve on the host"
      else print first
    }' "$@" 2>/dev/null
}
