"""Which package names are kernels: the same answer for findings, plans and hosts."""

import pytest

from patchctl.models import kernel_names


@pytest.mark.parametrize(
    ("name", "image", "part", "boots"),
    [
        ("linux-image-6.1.0-41-amd64", True, True, True),
        ("linux-image-unsigned-5.15.0-91-generic", True, True, True),
        ("linux-modules-extra-5.15.0-91-generic", False, True, False),
        ("linux-image-amd64", False, False, True),
        ("linux-image-generic", False, False, True),
        ("linux-headers-6.1.0-41-amd64", False, False, False),
        ("linux-firmware", False, False, False),
        ("linux-libc-dev", False, False, False),
    ],
)
def test_on_debian(name: str, image: bool, part: bool, boots: bool) -> None:
    assert kernel_names.is_deb_image(name) is image
    assert kernel_names.is_deb_part(name) is part
    assert kernel_names.boots(name) is boots


@pytest.mark.parametrize(
    ("name", "image", "part"),
    [
        ("kernel", True, True),
        ("kernel-core", True, True),
        ("kernel-rt-core", True, True),
        ("kernel-uek", True, True),
        ("kernel6.12", True, True),
        ("kernel-modules-extra", False, True),
        ("kernel-devel", False, True),
        ("kernel-headers", False, False),
        ("kernel-tools", False, False),
        ("kernelshark", False, False),
    ],
)
def test_on_rpm_systems(name: str, image: bool, part: bool) -> None:
    assert (kernel_names.is_rpm_image(name), kernel_names.is_rpm_part(name)) == (image, part)
    assert kernel_names.boots(name) is image


@pytest.mark.parametrize(
    ("source", "kernel"),
    [
        ("linux", True),
        ("linux-aws-5.15", True),
        ("linux-meta", True),
        ("linux-firmware", False),
        ("linux-atm", False),
        ("linux-base", False),
    ],
)
def test_sources_on_debian(source: str, kernel: bool) -> None:
    assert kernel_names.is_deb_source(source) is kernel


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("linux-image-6.1.0-41-amd64", "linux-signed-amd64"),
        ("linux-modules-nvidia-535-generic", "linux-restricted-modules"),
        ("kernel-PAE", "kernel"),
        ("kernel-new-flavour", "kernel-new"),
        ("raspi-firmware", "raspi-firmware"),
    ],
)
def test_a_name_that_may_be_a_kernel_counts_as_one(name: str, source: str) -> None:
    assert kernel_names.may_be_kernel(name, source)
    assert not kernel_names.may_be_kernel("linux-libc-dev", "linux")
