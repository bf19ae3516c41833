# shellcheck shell=sh
# Why a package manager failed, in one line. Needs nothing but awk.

# What tells the cause in the output of dnf and rpm; the first of these that there is:
# - a line that names an error of the system
# - a scriptlet that failed, or a file or package that conflicts with another
# - a signature that is missing or not known
# - why a repository cannot be read: what curl said, below dnf's own line
# - why the packages do not go together: dnf's first problem, with what it says below it
# - the first error
cause_in() { # FILE, or standard input
  awk '
    function told(line) {
      gsub(/:\/\/[^\/ \t]*@/, "://***@", line) # not who logs in there
      gsub(/[ \t]+/, " ", line); sub(/^ /, "", line); sub(/ $/, "", line)
      return line
    }
    function first_of(known, line) { return known == "" ? told(line) : known }
    /No space left on device|Disk quota exceeded|Read-only file system|Input\/output error/ ||
    /Cannot allocate memory|Structure needs cleaning|Too many open files|Operation not permitted/ ||
    /At least [0-9]+[KMG]B more space needed|rpmdb open failed|database disk image is malformed/ ||
    /^error: (rpmdb|db5|sqlite|cannot open Packages)/ {
      system_error = first_of(system_error, $0)
    }
    /scriptlet failed|Error in [A-Z]+ scriptlet|conflicts? with file from|^[ \t]*file .* conflicts/ {
      broken = first_of(broken, $0)
    }
    /is not signed|Public key for .* is not installed|does not verify|NOKEY|BAD\)?$|GPG check FAILED/ {
      signature = first_of(signature, $0)
    }
    /^Errors during downloading metadata for repository / {
      repository = $0; sub(/^[^\047]*\047/, "", repository); sub(/\047.*/, "", repository)
      next
    }
    repository != "" && unread == "" && /^  - / {
      line = $0; sub(/^  - /, "", line)
      unread = "repository " repository " cannot be read: " told(line)
      next
    }
    /^ Problem( [0-9]+)?: / { if (problem == "") { problem = $0; sub(/^ Problem[^:]*: /, "", problem); more = 3 } else more = 0; next }
    more && /^  - / { more--; line = $0; sub(/^  - /, "", line); problem = problem "; " line; next }
    { more = 0 }
    /^(Error|error): ?./ && !/^Error: *$/ && first == "" { first = told($0); sub(/^[Ee]rror: /, "", first) }
    END {
      if (system_error != "") print system_error
      else if (broken != "") print broken
      else if (signature != "") print signature
      else if (unread != "") print unread
      else if (problem != "") print told(problem)
      else print first
    }' "$@" 2>/dev/null
}
