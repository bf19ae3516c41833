"""Each published file is read completely, with the counts that its README states."""

import time
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest
from feed_world import REAL, bad, of, only, records

from patchctl.models.advisory import (
    Advisory,
    BadRecord,
    CveFacts,
    ExploitChance,
    FeedKind,
    FeedRecord,
    KnownExploited,
    Lifecycle,
    VendorStatus,
)
from patchctl.wiring.feeds import read


def real(name: str) -> Path:
    path = REAL / name
    if not path.exists():
        pytest.skip(f"{path} is not here; PATCHCTL_TEST_DATA names the folder with it")
    return path


@pytest.mark.parametrize(
    ("name", "feed_name", "kind", "count"),
    [
        ("osv/AlmaLinux-8.zip", "osv-almalinux-8", Advisory, 3237),
        ("osv/AlmaLinux-9.zip", "osv-almalinux-9", Advisory, 1783),
        ("osv/AlmaLinux-10.zip", "osv-almalinux-10", Advisory, 660),
        ("osv-samples/ubuntu", "osv-ubuntu", Advisory, 19),
        ("osv-samples", "osv", Advisory, 70),
        ("kev/known_exploited_vulnerabilities.json", "kev", KnownExploited, 1404),
        ("cve/cve-records.zip", "cve", CveFacts, 2052),
        ("cve/ssvc.csv.gz", "cve-ssvc", CveFacts, 44130),
        ("epss/epss_scores-sample.csv", "epss", ExploitChance, 8123),
        ("epss/epss_scores-2025-08-30-sample.csv.gz", "epss", ExploitChance, 6637),
        ("eol/eol.json", "eol", Lifecycle, 269),
        ("debian-tracker/tracker-slice.json", "debian-tracker", Advisory, 18),
        ("debian-tracker/derived-undetermined-postponed.json", "debian-tracker", Advisory, 2),
        ("updateinfo/rocky-8-modular.xml", "updateinfo-rocky-linux-8", Advisory, 4),
        ("updateinfo/amazon-2.xml", "updateinfo-amazon-linux-2", Advisory, 2),
        ("updateinfo/amazon-2023.xml", "updateinfo-amazon-linux-2023", Advisory, 1),
        ("updateinfo/fedora-43.xml", "updateinfo-fedora-43", Advisory, 1),
        ("updateinfo/epel-6.xml", "updateinfo-epel-6", Advisory, 1),
    ],
)
def test_nothing_is_lost(name: str, feed_name: str, kind: type[FeedRecord], count: int) -> None:
    feed = only(real(name))
    counts = Counter(type(record) for record in feed.records())
    del counts[BadRecord]  # files that are none; of records there is no bad one
    assert counts == {kind: count}
    assert all("known formats" in reason for reason in bad(feed.records()))
    assert feed.name == feed_name
    assert bool(feed.dated) == (feed.kind is not FeedKind.DEBIAN_TRACKER and "ssvc" not in name)


def test_almalinux_has_the_readme_s_shape() -> None:
    records_read = of(Advisory, records(real("osv/AlmaLinux-8.zip")))
    assert Counter(record.id[:4] for record in records_read) == {
        "ALSA": 2040,
        "ALBA": 975,
        "ALEA": 222,
    }
    everywhere = [
        entry
        for name in ("8", "9", "10")
        for record in of(Advisory, records(real(f"osv/AlmaLinux-{name}.zip")))
        for entry in record.affected
    ]
    assert len(everywhere) == 71_329
    assert sum(entry.module == "modular" for entry in everywhere) == 20_750
    assert sum(":" in entry.fixed for entry in everywhere) == 17_201


def test_almalinux_is_read_fast_in_little_memory() -> None:
    start = time.process_time()
    for _ in only(real("osv/AlmaLinux-8.zip")).records():
        pass
    # 1.5 s alone on the machine that this was written on.
    assert time.process_time() - start < 15
    tracemalloc.start()
    for _ in only(real("osv/AlmaLinux-10.zip")).records():
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The file holds 5 MB of records.
    assert peak < 3_000_000


@pytest.mark.parametrize(
    ("name", "updates", "packages"),
    [
        ("rocky-8-modular.xml", 4, 7),
        ("amazon-2.xml", 2, 22),
        ("amazon-2023.xml", 1, 61),
        ("amazon-2-kernel-5.15-extra.xml", 1, 31),
        ("fedora-43.xml", 1, 6),
        ("fedora-38-modular.xml", 1, 0),
        ("epel-6.xml", 1, 33),
    ],
)
def test_updateinfo_of_each_vendor(name: str, updates: int, packages: int) -> None:
    records_read = of(Advisory, records(real(f"updateinfo/{name}")))
    assert (len(records_read), sum(len(record.affected) for record in records_read)) == (
        updates,
        packages,
    )


def test_fedora_s_modular_updates_name_their_cves() -> None:
    (record,) = of(Advisory, records(real("updateinfo/fedora-38-modular.xml")))
    assert record.cves == ("CVE-2024-24989", "CVE-2024-24990")


def test_the_stream_of_a_module_is_not_the_one_in_the_title() -> None:
    records_read = of(Advisory, records(real("updateinfo/rocky-8-modular.xml")))
    assert {entry.module for record in records_read for entry in record.affected} == {
        "",
        "ruby:2.6",
    }


def test_every_real_record_of_a_security_feed_has_its_cve() -> None:
    records_read = of(Advisory, records(real("osv-samples/ubuntu")))
    assert [record.id for record in records_read if not record.cves] == []
    assert sum(bool(record.withdrawn) for record in records_read) == 5
    assert [record.id for record in records_read if record.live_patch] == ["LSN-0108-1"]


def test_the_extract_keeps_the_readme_s_counts() -> None:
    records_read = of(CveFacts, records(real("cve/ssvc.csv.gz")))
    assert sum(bool(record.exploitation) for record in records_read) == 44_026
    assert sum(bool(record.cvss) for record in records_read) == 32_765
    whole = of(CveFacts, records(real("cve/cve-records.zip")))
    assert sum(record.rejected for record in whole) == 3


def test_kev_keeps_the_use_by_ransomware() -> None:
    records_read = of(KnownExploited, records(real("kev/known_exploited_vulnerabilities.json")))
    assert sum(record.ransomware for record in records_read) == 293
    assert all(record.due and record.added for record in records_read)


def test_the_tracker_s_rows() -> None:
    records_read = of(Advisory, records(real("debian-tracker/tracker-slice.json")))
    rows = [entry for record in records_read for entry in record.affected]
    assert len(rows) == 64
    kinds = {entry.status for entry in rows}
    assert {VendorStatus.NOT_AFFECTED, VendorStatus.DEFERRED, VendorStatus.END_OF_LIFE} <= kinds


def test_a_folder_of_real_data_says_what_it_left_out() -> None:
    reading = read(real("osv"))
    assert [feed.name for feed in reading] == [
        "osv-almalinux-10",
        "osv-almalinux-8",
        "osv-almalinux-9",
    ]
    assert [Path(skipped.place).name for skipped in reading.skipped] == ["LICENSE-almalinux"]
    assert bad(reading.skipped) == ["LICENSE-almalinux: is none of the known formats"]
