# shellcheck shell=sh
# Finds in one line why a package manager failed. Needs only awk.

# Prints the cause from the output of dnf and rpm: the first of these that exists:
# - a line of dnf or rpm that names an error of the system
# - rpm's message about a scriptlet that failed
# - an error of the system that was printed while scripts ran
# - a file or package that conflicts with another
# - a signature that is missing or unknown
# - why a repository cannot be read: curl's message below dnf's own line
# - why a file could not be fetched
# - that the system is not registered, and so has no repository
# - why the packages do not fit together: dnf's first problem, with the lines below it
# - the first error; errors that were printed while scripts ran come last
# The output of scripts is between "Running transaction" and the last of the lines that dnf prints when rpm is
# done. It may look like anything. So in that part only rpm's own message about a scriptlet counts, and errors of
# the system are reported as printed there.
cause_in() { # FILE, or standard input
  awk '
    function told(line) {
      gsub(/:\/\/[^\/ \t]*@/, "://***@", line) # not who logs in there
      gsub(/[ \t]+/, " ", line); sub(/^ /, "", line); sub(/ $/, "", line)
      return line
    }
    function first_of(known, line) { return known == "" ? told(line) : known }
    function names_system(line) {
      return line ~ /No space left on device|Disk quota exceeded|Read-only file system|Input\/output error/ \
        || line ~ /Cannot allocate memory|Structure needs cleaning|Too many open files|Operation not permitted/ \
        || line ~ /At least [0-9]+[KMG]B more space needed|rpmdb open failed|database disk image is malformed/ \
        || line ~ /^error: (rpmdb|db5|sqlite|cannot open Packages)/
    }
    function read_scripts(line) {
      if (line ~ /^(error|warning): %[a-z]+\([A-Za-z0-9+._~^:-]+\) scriptlet failed, (exit status|signal) [0-9]+$/)
        scriptlet = first_of(scriptlet, line)
      if (names_system(line)) in_scripts = first_of(in_scripts, line)
      if (line ~ /^[Ee]rror: ?./) scripts_error = first_of(scripts_error, line)
    }
    function read_own(line) {
      if (names_system(line)) system_error = first_of(system_error, line)
      if (line ~ /scriptlet failed|Error in [A-Z]+ scriptlet|conflicts? with file from|^[ \t]*file .* conflicts/)
        broken = first_of(broken, line)
      if (line ~ /is not signed|Public key for .* is not installed|does not verify|NOKEY|BAD\)?$|GPG check FAILED/)
        signature = first_of(signature, line)
      if (line ~ /^\[MIRROR\] /) { failed = line; sub(/^\[MIRROR\] /, "", failed); unfetched = first_of(unfetched, failed) }
      if (line ~ /^This system is not registered/) unregistered = first_of(unregistered, line)
      if (line ~ /^Errors during downloading metadata for repository /) {
        repository = line; sub(/^[^\047]*\047/, "", repository); sub(/\047.*/, "", repository)
      } else if (repository != "" && unread == "" && line ~ /^  - /) {
        sub(/^  - /, "", line); unread = "repository " repository " cannot be read: " told(line)
      } else if (line ~ /^ Problem( [0-9]+)?: /) {
        more = problem == "" ? 3 : 0
        if (more) { problem = line; sub(/^ Problem[^:]*: /, "", problem) }
      } else if (more && line ~ /^  - /) {
        more--; sub(/^  - /, "", line); problem = problem "; " line
      } else {
        more = 0
        if (line ~ /^(Error|error): ?./ && line !~ /^Error: *$/ && first == "") { first = told(line); sub(/^[Ee]rror: /, "", first) }
      }
    }
    { text[NR] = $0 }
    /^Running transaction$/ && !begun { begun = NR }
    /^  Verifying  *: / { over = NR }
    END {
      for (i = 1; i <= NR; i++) if (begun && i > begun && (i <= over || !over)) read_scripts(text[i]); else read_own(text[i])
      if (system_error != "") print system_error
      else if (scriptlet != "") print scriptlet
      else if (in_scripts != "") print "said while scripts ran: " in_scripts
      else if (broken != "") print broken
      else if (signature != "") print signature
      else if (unread != "") print unread
      else if (unfetched != "") print unfetched
      else if (unregistered != "") print unregistered " `subscription-manager register` there gives it repositories"
      else if (problem != "") print told(problem)
      else if (first != "") print first
      else if (scripts_error != "") print "said while scripts ran: " scripts_error
    }' "$@" 2>/dev/null
}
