"""Tiles of a server: which addresses are taken, and what a page may fetch."""

from typing import Any

import pytest

from phusong.data.errors import MapError
from phusong.maps.basemap.online import read_attribution, read_online
from phusong.maps.page import PageOptions, render_page

GOOD = "https://tiles.example/{z}/{x}/{y}.png"


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        (GOOD, "https://tiles.example"),
        ("https://tiles.example:8443/a/{z}/{y}/{x}.jpg?key=A-1_2", "https://tiles.example:8443"),
        ("HTTPS://Tiles.Example/{z}/{x}/{-y}", "https://tiles.example"),
        ("http://127.0.0.1:8000/{z}/{x}/{y}.webp", "http://127.0.0.1:8000"),
    ],
)
def test_an_address_allows_exactly_its_host(url: str, origin: str) -> None:
    assert read_online(url, "© A").origin == origin


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "not an address"),
        ("javascript:alert(1)//{z}{x}{y}", "https address"),
        ("data:image/png;base64,{z}{x}{y}", "https address"),
        ("file:///etc/{z}/{x}/{y}", "https address"),
        ("ftp://tiles.example/{z}/{x}/{y}", "https address"),
        ("//tiles.example/{z}/{x}/{y}", "https address"),
        ("https:///{z}/{x}/{y}", "https address"),
        ("https://user:secret@tiles.example/{z}/{x}/{y}", "https address"),
        ("https://tiles.example:port/{z}/{x}/{y}", "https address"),
        ("https://tiles.example/{z}/{x}/{y}' *", "not an address"),
        ('https://tiles.example/{z}/{x}/{y}"><script>', "not an address"),
        ("https://tiles.example\\@evil.example/{z}/{x}/{y}", "not an address"),
        ("https://tiles.example/{z}/{x}/{y}#x", "not an address"),
        ("https://tiles.example/{z}/{x}/{y}\n", "not an address"),
        ("https://tỉnh.example/{z}/{x}/{y}", "not an address"),
        ("https://tiles.example/{z}/{x}/{y}" + "x" * 500, "not an address"),
        ("https://{s}.tiles.example/{z}/{x}/{y}", "in place of"),
        ("https://tiles.example/{z}/{x}", "once each"),
        ("https://tiles.example/{z}/{x}/{y}/{y}", "once each"),
        ("https://tiles.example/{{z}}/{x}/{y}", "once each"),
        ("https://tiles.example/{z}/{x}/{y}{r}", "once each"),
        ("https://tiles.example/{z}/{x}/{y}/{{7*7}}", "once each"),
        ("https://tiles.example/{z}/{x}/{y}}", "once each"),
        ("https://{z}{x}{y};script-src", "is not the name of one host"),
        ("https://*.example/{z}/{x}/{y}", "is not the name of one host"),
        ("https://a,b/{z}/{x}/{y}", "is not the name of one host"),
        ("https://[::1]/{z}/{x}/{y}", "is not the name of one host"),
        ("https://-a.example/{z}/{x}/{y}", "is not the name of one host"),
    ],
)
def test_a_hostile_or_unclear_address_is_refused(url: str, message: str) -> None:
    with pytest.raises(MapError, match=message):
        read_online(url, "© A")


def test_a_message_about_an_address_shows_braces_as_they_are() -> None:
    with pytest.raises(MapError, match=r"has \{z\}, \{x\} and \{y\}"):
        read_online("https://tiles.example/{z}", "© A")


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 301])
def test_tiles_without_an_owner_are_refused(text: str) -> None:
    with pytest.raises(MapError, match="an attribution has 1 to 300 characters"):
        read_online(GOOD, text)


def test_an_attribution_stands_on_one_line() -> None:
    assert read_attribution(" © A\n  and\tB ") == "© A and B"


def test_the_policy_of_a_page_names_the_host_and_no_other(four_verdicts: Any) -> None:
    page = render_page([four_verdicts], options=PageOptions(basemap=read_online(GOOD, "© A")))
    assert "; img-src data: https://tiles.example; base-uri" in page
    assert "; img-src data:; base-uri" in render_page([four_verdicts])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tiles", GOOD],
        ["--tiles", GOOD, "--basemap", "x", "--attribution", "© A"],
        ["--attribution", "© A"],
        ["--basemap-mb", 5],
        ["--tiles", GOOD, "--attribution", "© A", "--basemap-rows", "tms"],
        ["--basemap", "x", "--basemap-mb", 0],
    ],
)
def test_options_that_do_not_go_together_are_refused(
    arguments: list[object], phusong: Any, tmp_path: Any
) -> None:
    finished = phusong("map", "build", tmp_path / "map.html", *arguments)
    assert finished.code == 2
    assert not (tmp_path / "map.html").exists()
