"""No configuration can name a private address as a receiver, however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collect_pipelines.destinations.http import check_header, check_url, target_of
from collect_pipelines.destinations.http.addresses import is_this_machine, refusal
from collect_pipelines.errors import ConfigInvalid

NEVER = [
    "0.0.0.0", "0.255.255.255", "169.254.0.1", "169.254.169.254", "192.0.0.8", "192.0.0.192", "192.0.2.1", "192.31.196.1",
    "192.52.193.1", "192.88.99.1", "192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1",
    "239.255.255.255", "240.0.0.1", "255.255.255.255", "100.100.100.200", "168.63.129.16", "::", "::2", "::127.0.0.1",
    "::ffff:169.254.169.254", "::ffff:0:127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1",
    "2002:a9fe:a9fe::", "3fff::1", "5f00::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "fd00:ec2::254", "4000::1",
]  # fmt: skip
PRIVATE = [
    "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254", "172.16.0.1", "172.31.255.255",
    "192.168.0.1", "192.168.255.255", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::10.1.2.3",
    "2002:7f00:1::", "2002:a00:1::", "fc00::1", "fd12::1",
]  # fmt: skip
PUBLIC = [
    "9.9.9.9", "1.1.1.1", "11.0.0.1", "100.63.255.255", "100.128.0.1", "126.255.255.255", "128.0.0.1", "169.253.255.255",
    "169.255.0.1", "172.15.255.255", "172.32.0.1", "192.167.255.255", "192.169.0.1", "198.17.255.255", "198.20.0.1",
    "223.255.255.255", "2620:fe::fe", "2606:4700::1111", "64:ff9b::909:909", "2002:909:909::1", "::ffff:9.9.9.9",
]  # fmt: skip


@pytest.mark.parametrize("address", NEVER)
def test_reserved_and_metadata_addresses_are_refused_whatever_is_configured(address: str) -> None:
    assert refusal(address, allow_private=False)
    assert refusal(address, allow_private=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_take_a_word_of_the_configuration(address: str) -> None:
    assert refusal(address, allow_private=False) == "a private address"
    assert refusal(address, allow_private=True) is None


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_let_through(address: str) -> None:
    assert refusal(address, allow_private=False) is None


def test_an_own_address_is_recognised_without_a_list() -> None:
    assert is_this_machine("127.0.0.1", 443)
    assert not is_this_machine("9.9.9.9", 443)


HOSTILE = [
    "http://hooks.example.org/", "ftp://hooks.example.org/", "file:///etc/passwd", "gopher://hooks.example.org/", "//hooks.example.org/",
    "hooks.example.org", "", "https://", "https:///path", "https://user@hooks.example.org/", "https://user:secret@hooks.example.org/",
    "https://hooks.example.org:22/", "https://hooks.example.org:80/", "https://hooks.example.org:6379/", "https://hooks.example.org:0/",
    "https://hooks.example.org:99999/", "https://hooks.example.org:x/", "https://127.0.0.1/", "https://127.1/", "https://0x7f000001/",
    "https://0x7f.1/", "https://2130706433/", "https://0177.0.0.1/", "https://127.0.0.1./", "https://①②⑦.⓪.⓪.①/", "https://\uff11\uff12\uff17.0.0.1/",
    "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[fe80::1%25eth0]/", "https://[::]/",
    "https://localhost/", "https://LOCALHOST/", "https://localhost./", "https://a.localhost/", "https://printer.local/", "https://db/",
    "https://metadata.google.internal/computeMetadata/v1/", "https://169.254.169.254/latest/meta-data/", "https://hooks.example.org./",
    "https://" + "a" * 300 + ".org/", "https://" + "a." * 200 + "org/", "https://\u0430\u0440\u0440\u04cf\u0435.com/",
    "https://hooks.example.org/a b",
    "https://hooks.example.org/a\r\nHost: evil", "https://hooks.example.org\\@evil.example/", "https://hooks.example.org\t.evil.example/",
    "https://-a.example.org/", "https://a..example.org/", "https://[v1.fe80::a]/", "https://[::1/",
    "https://hooks.example.org/" + "a" * 3000,
    "https://10.0.0.1:8443/", "https://exa%6dple.org/", "https://example.org%2f@evil.example/",
]  # fmt: skip


@pytest.mark.parametrize("url", HOSTILE)
def test_an_address_that_may_be_a_trick_is_refused_at_save_with_a_way_out(url: str) -> None:
    with pytest.raises(ConfigInvalid) as refused:
        check_url(url)

    assert refused.value.fix
    assert "secret" not in refused.value.message


@pytest.mark.parametrize("url", ["http://169.254.169.254/", "https://metadata.google.internal/", "http://0.0.0.0/", "https://[fe80::1]/"])
def test_allow_private_does_not_open_the_way_to_metadata(url: str) -> None:
    with pytest.raises(ConfigInvalid):
        check_url(url, allow_private=True)


@pytest.mark.parametrize(
    ("url", "shown", "path"),
    [
        ("https://hooks.example.org", "hooks.example.org", "/"),
        ("https://Hooks.Example.org:8443/a/b?token=x%20y#part", "hooks.example.org:8443", "/a/b?token=x%20y"),
        ("https://xn--p1ai.example/", "xn--p1ai.example", "/"),
        ("https://9.9.9.9/", "9.9.9.9", "/"),
        ("https://[2620:fe::fe]/", "[2620:fe::fe]", "/"),
    ],
)
def test_ordinary_addresses_are_taken_apart(url: str, shown: str, path: str) -> None:
    target = target_of(url)

    assert (str(target), target.path) == (shown, path)


@pytest.mark.parametrize(
    "url", ["http://localhost:8000/", "http://127.0.0.1:9/", "http://gateway:8080/x", "https://10.1.2.3/", "http://[::1]:1/"]
)
def test_one_s_own_network_is_open_when_it_is_said(url: str) -> None:
    check_url(url, allow_private=True)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused_in_words(text: str) -> None:
    for url in (text, f"https://{text}", f"https://hooks.example.org/{text}", f"https://hooks.example.org:{text}"):
        try:
            target = target_of(url)
        except ConfigInvalid as exc:
            assert exc.fix
        else:
            assert target.scheme == "https" and target.port in (443, 8443)
            assert target.host.isascii() and target.path.isascii() and not set(target.path) & set(" \r\n\t\\")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Host", "evil"), ("content-length", "0"), ("Transfer-Encoding", "chunked"), ("Connection", "close"), ("Proxy-Authorization", "x"),
        ("Expect", "100-continue"), ("X-A", "a\r\nX-B: b"), ("X-A", "a\nb"), ("X-A", "a\x00b"), ("X-A", "ü"), ("X-A", " a"), ("X A", "a"),
        ("X-A:", "a"), ("X-A\r\nX-B", "a"), ("", "a"), ("X-A", "a" * 9000), ("Ünicode", "a"),
    ],
)  # fmt: skip
def test_headers_that_change_what_a_request_is_are_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigInvalid):
        check_header(name, value)


def test_other_headers_are_taken() -> None:
    check_header("X-Team", "Field team 7, north")
    check_header("Authorization", "Bearer abc.def")
