"""Which URLs and addresses a webhook may go to."""

from __future__ import annotations

import pytest

from casedial.domain.destinations import read_destination, read_networks, refusal
from casedial.domain.errors import InvalidSetting

INSIDE = (
    *("127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.5.5", "172.31.255.1", "192.168.1.1", "0.0.0.0", "0.1.2.3"),
    *("169.254.169.254", "169.254.0.1", "100.64.0.1", "100.100.100.200", "100.127.255.255", "168.63.129.16"),
    *("192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.2.3", "240.0.0.1"),
    *("255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1"),
    *("ff0e::1", "2001:db8::1", "::ffff:127.0.0.1", "::ffff:10.1.2.3", "::ffff:169.254.169.254", "::127.0.0.1"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::1", "2002:a00:1::", "::ffff:0:0"),
    "2001:0:4136:e378:8000:63bf:80ff:fffe",  # Teredo, behind which is 127.0.0.1
)
OUTSIDE = ("93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8", "64:ff9b::808:808")


@pytest.mark.parametrize("address", INSIDE)
def test_nothing_goes_inside(address: str) -> None:
    assert "inside the network" in (refusal(address, (), is_encrypted=True) or "")


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_outside_is_reached_by_https_only(address: str) -> None:
    assert refusal(address, (), is_encrypted=True) is None
    assert "use https" in (refusal(address, (), is_encrypted=False) or "")


def test_an_administrator_allows_networks() -> None:
    allowed = read_networks("10.1.0.0/16, 127.0.0.1,fd00::/8")
    for address in ("10.1.2.3", "127.0.0.1", "::ffff:127.0.0.1", "fd00::7"):
        assert refusal(address, allowed, is_encrypted=False) is None
    for address in ("10.2.0.1", "127.0.0.2", "fe80::1", "169.254.169.254"):
        assert refusal(address, allowed, is_encrypted=True)
    with pytest.raises(ValueError, match="host bits"):
        read_networks("10.1.0.1/16")


def test_a_url_in_its_parts() -> None:
    read = read_destination("https://Firm.example:8443/a/b?token=1")
    assert (read.is_encrypted, read.host, read.port, read.target) == (True, "firm.example", 8443, "/a/b?token=1")
    assert read.authority == "firm.example:8443"
    assert read_destination("https://firm.example").target == "/"
    six = read_destination("http://[2001:db8::1]/x")
    assert (six.host, six.port, six.authority, six.is_encrypted) == ("2001:db8::1", 80, "[2001:db8::1]", False)
    assert read_destination("https://firm.example:443/").authority == "firm.example"


@pytest.mark.parametrize(
    "url",
    [
        *("", "firm.example/hook", "ftp://firm.example/", "https://", "https:///hook", "file:///etc/passwd"),
        *("https://a:b@firm.example/", "https://@firm.example/", "https://firm.example/#x", "https://firm.example:0/"),
        *("https://firm.example:99999/", "https://firm.example:x/", "https://firm.example/a b", "https://[::1/"),
        *("https://firm.example/\r\nA: x", "https://f\u00e9.example/", "https://-a.example/"),
        f"https://a.example/{'x' * 2000}",
    ],
)
def test_a_url_that_cannot_be_used(url: str) -> None:
    with pytest.raises(InvalidSetting):
        read_destination(url)
