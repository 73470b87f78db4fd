"""A path is opened for what its first bytes say it is, and an archive has its limits."""

import gzip
import hashlib
import io
import lzma
import os
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from phusong.data.errors import RecordError
from phusong.data.importers import openers
from phusong.data.importers.openers import fingerprint, open_contents, size_hint

TEXT = b"a,b\n1,2\n" * 100


def packed(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_the_same_text_has_one_fingerprint_however_it_is_packed(tmp_path: Path) -> None:
    plain = tmp_path / "log.csv"
    plain.write_bytes(TEXT)
    zipped = tmp_path / "log.gz"
    zipped.write_bytes(gzip.compress(TEXT))
    archive = packed(tmp_path / "logs.zip", {"walk/log.csv": TEXT})
    expected = (hashlib.sha256(TEXT).hexdigest(), len(TEXT))
    for path in (plain, zipped, archive):
        with open_contents(path) as opened:
            assert [fingerprint(content) for content in opened.contents] == [expected]


def test_a_member_carries_the_name_of_its_archive(tmp_path: Path) -> None:
    with open_contents(packed(tmp_path / "logs.zip", {"walk/log.csv": TEXT})) as opened:
        assert [content.name for content in opened.contents] == ["logs.zip/walk/log.csv"]


def test_folders_and_what_macos_adds_are_counted_and_not_read(tmp_path: Path) -> None:
    members = {"d/": b"", "d/a.csv": TEXT, "__MACOSX/d/._a.csv": b"x", "d/.DS_Store": b"x"}
    with open_contents(packed(tmp_path / "logs.zip", members)) as opened:
        assert [content.name for content in opened.contents] == ["logs.zip/d/a.csv"]
        assert opened.skipped == {"folder": 1, "macos_junk": 2}


def test_a_member_named_to_climb_out_is_only_a_name(tmp_path: Path) -> None:
    path = packed(tmp_path / "logs.zip", {"../../out.csv": TEXT, "/abs.csv": TEXT})
    with open_contents(path) as opened:
        for content in opened.contents:
            fingerprint(content)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["logs.zip"]


def read_all(path: Path) -> None:
    with open_contents(path) as opened:
        for content in opened.contents:
            fingerprint(content)


def refused(path: Path) -> RecordError:
    with pytest.raises(RecordError) as caught:
        read_all(path)
    return caught.value


def test_a_folder_is_refused_with_what_to_do(tmp_path: Path) -> None:
    assert str(refused(tmp_path)) == f"{tmp_path} is a folder; name the files in it"


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").touch()
    assert refused(tmp_path / "empty.csv").reason == "empty_file"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "none.csv").reason == "no_file"


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe").reason == "not_a_file"


def test_a_zip_bomb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = packed(tmp_path / "bomb.zip", {"a.csv": b"0" * (80 << 20)})
    assert path.stat().st_size < 100_000
    assert "would unpack to 83886080 bytes" in str(refused(path))


def test_a_zip_of_very_many_members_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openers, "MAX_MEMBERS", 3)
    path = packed(tmp_path / "many.zip", {f"{i}.csv": b"a" for i in range(4)})
    assert "holds 4 members; at most 3 are read" in str(refused(path))


def test_a_gzip_bomb_stops_at_its_allowance(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(b"0" * (80 << 20)))
    assert "unpacks to more than" in str(refused(path))


@pytest.mark.parametrize("cut", [30, 100, 150])
def test_a_cut_archive_is_refused_by_name(tmp_path: Path, cut: int) -> None:
    whole = packed(tmp_path / "whole.zip", {"a.csv": os.urandom(300)}).read_bytes()
    path = tmp_path / "cut.zip"
    path.write_bytes(whole[:cut])
    assert "cut.zip is a damaged zip file" in str(refused(path))
    short = tmp_path / "cut.gz"
    short.write_bytes(gzip.compress(os.urandom(300))[:cut])
    assert "cut.gz is damaged and cannot be unpacked" in str(refused(short))


def test_a_member_whose_bytes_changed_is_refused_by_its_checksum(tmp_path: Path) -> None:
    path = tmp_path / "logs.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("a.csv", TEXT)
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    assert "logs.zip/a.csv is damaged" in str(refused(path))


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "logs.zip", {"a.csv": TEXT})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = data.index(signature) + offset
        struct.pack_into("<H", data, place, 1)
    path.write_bytes(data)
    assert "logs.zip/a.csv is damaged and cannot be unpacked" in str(refused(path))


def test_the_size_to_expect_is_that_of_the_text(tmp_path: Path) -> None:
    plain = tmp_path / "log.csv"
    plain.write_bytes(TEXT)
    assert size_hint(plain) == len(TEXT)
    assert size_hint(packed(tmp_path / "l.zip", {"a": TEXT, "__MACOSX/a": TEXT})) == len(TEXT)
    packed_once = tmp_path / "log.gz"
    packed_once.write_bytes(gzip.compress(TEXT))
    assert size_hint(packed_once) is None


def test_a_stream_can_be_opened_again_and_again(tmp_path: Path) -> None:
    with open_contents(packed(tmp_path / "logs.zip", {"a.csv": TEXT})) as opened:
        (content,) = opened.contents
        for _ in range(2):
            with content.open() as stream:
                assert isinstance(stream, io.BufferedReader)
                assert stream.read() == TEXT


def test_xz_is_read_as_a_stream_of_one_or_more_parts(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.xz"
    path.write_bytes(lzma.compress(b"a,b\n") + lzma.compress(b"1,2\n") + b"\0\0\0\0")
    with open_contents(path) as opened:
        (content,) = opened.contents
        with content.open() as stream:
            assert stream.read() == b"a,b\n1,2\n"


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_packed_members_of_a_zip_are_read(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "logs.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv.packed", pack(b"a,b\n1,2\n"))
    with open_contents(path) as opened, opened.contents[0].open() as stream:
        assert stream.read() == b"a,b\n1,2\n"


def test_a_cut_xz_file_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.xz"
    path.write_bytes(lzma.compress(random.Random(1).randbytes(10_000))[:5_000])
    with pytest.raises(RecordError, match="is damaged"):
        read_all(path)


def test_an_xz_bomb_stops_at_its_allowance(tmp_path: Path) -> None:
    path = tmp_path / "bomb.xz"
    path.write_bytes(lzma.compress(bytes(80 << 20), preset=0))
    with pytest.raises(RecordError, match="unpacks to more than"):
        read_all(path)
