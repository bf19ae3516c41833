"""Read vulnerability feeds: take a path, give normalised records.

    reading = Reading(Path("AlmaLinux-8.zip"), "", archives)  # archives: opens files and archives
    for feed in reading:                    # Feed: kind, name, place
        for record in feed.records():       # FeedRecord, streaming
            ...                             # BadRecord(place, reason): count it, name it, go on
        feed.dated                          # now known: epoch seconds UTC, 0 where none is stated
    reading.skipped, reading.skipped_count  # files that are not a feed (first 1,000, all): say so

`Reading(path, ecosystem, archives)` reads a file or a folder: plain, gz, xz, bz2, zip, tar, or
.deb; content decides, not the file's name. Iterating raises InvalidInputError (one line: what,
where, how to fix it) where nothing there is a feed, a file is cut short or breaks a limit.

- A folder gives one feed for each archive in it and kind, one for its loose OSV records, one for
  its loose CVE records, one for its changelogs, and one for each other file (KEV, EPSS, tracker,
  updateinfo).
- `Feed.name` is a hint in `[a-z0-9.-]`, unique within one reading, stable for the same input:
  `osv-almalinux-8`, `osv-ubuntu`, `debian-tracker`, `updateinfo-rocky-linux-8`, `kev`, `epss`,
  `cve`, `eol`. Single records are named after themselves (`osv-alsa-2023-7465`), so that they
  never take the place of a whole feed. `Feed.place` is the path shown to people.
- `Feed.records()` may be called more than once. It may raise InvalidInputError in the middle
  (truncated archive, a limit): then nothing of that feed may be kept, so store in one transaction.
- `ecosystem` (canonical, e.g. `AlmaLinux:9`) is used only for updateinfo and changelogs that do not
  tell their release. Without it such entries come as BadRecord; a changelog whose newest entry went
  to unstable counts for `Debian:sid`.
- Where each file is one record (OSV, CVE, changelogs), a broken file is a BadRecord too, as long as
  it is not the only one. A wrong checksum in an archive breaks the archive.
- Files that are not a feed come as BadRecord of the feed beside them. A record dated later than
  `latest`, where that is given, is one too.
- Advisory ids are not unique within a feed: updateinfo repeats them, OSV zips overlap. One entry
  of the Debian tracker is an Advisory `DEBIAN-CVE-…` (or `TEMP-…`, without CVEs) for one source
  package, so an id occurs once for each package.
- OSV, DEBIAN_TRACKER, UPDATEINFO and CHANGELOG give Advisory, KEV gives KnownExploited, EPSS
  ExploitChance, CVE CveFacts, EOL Lifecycle.

All text is hostile: show it through `cli.output.clean` only.
"""

from .reading import Feed, Reading

__all__ = ["Feed", "Reading"]
