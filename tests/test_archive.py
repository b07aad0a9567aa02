"""Unpacking archives of every kind that HEPData serves, and of every kind that nobody should."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random

import pytest
from fuzzing import RANDOM, for_ten_thousand_seeds
from hypothesis import given, settings
from recontour.archive import ArchiveLimits, unpack
from recontour.errors import UserError
from recontour.files import sha256

FILES = {"BkgOnly.json": b'{"background": 1}', "patchset.json": b'{"patches": []}'}
WANTED = ["BkgOnly.json", "patchset.json"]


def tar(files: Iterable[tuple[str, bytes]], mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def tar_gz(files: Iterable[tuple[str, bytes]]) -> bytes:
    return zipped(tar(files))


def zipped(content: bytes) -> bytes:
    """Without the time of day: it would be in the names of tests, which differ by worker then."""
    return gzip.compress(content, mtime=0)


def zip_(files: Iterable[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def special(kind: bytes, name: str = "x", target: str = "/etc/passwd") -> bytes:
    """A tar archive with what is wanted and a member of type `kind`."""
    buffer = io.BytesIO(tar(FILES.items()))
    with tarfile.open(fileobj=buffer, mode="a") as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        archive.addfile(member)
    return buffer.getvalue()


def unpacked(
    folder: Path, content: bytes, wanted: list[str] = WANTED, **limits: float
) -> list[str]:
    """Unpack `content` in `folder`; the paths within it of the files that are there then."""
    (folder / "archive").write_bytes(content)
    out = folder / "out"
    paths = unpack(folder / "archive", out, wanted, limits=ArchiveLimits(**limits))  # type: ignore[arg-type]
    assert sorted(path for path in out.rglob("*") if path.is_file()) == list(paths)
    assert all(sha256(path) == found for path, found in paths.items())
    return [path.relative_to(out).as_posix() for path in paths]


def refused(folder: Path, content: bytes, wanted: list[str] = WANTED, **limits: float) -> str:
    """The error that unpacking `content` gives; nothing may have been unpacked."""
    with pytest.raises(UserError) as caught:
        unpacked(folder, content, wanted, **limits)
    assert not (folder / "out").exists() or list((folder / "out").iterdir()) == []
    assert sorted(os.listdir(folder)) in (["archive"], ["archive", "out"])  # noqa: PTH208
    return str(caught.value)


@pytest.mark.parametrize("pack", [tar, tar_gz, zip_])
@pytest.mark.parametrize("prefix", ["", "./", "likelihoods/v3/"])
def test_every_kind_of_archive_gives_the_same_files(
    tmp_path: Path, pack: Callable[[object], bytes], prefix: str
) -> None:
    files = [(prefix + name, content) for name, content in FILES.items()]
    assert unpacked(tmp_path, pack([("README.md", b"-"), *files])) == WANTED
    for name, content in FILES.items():
        assert (tmp_path / "out" / name).read_bytes() == content


def test_a_plain_json_file_is_its_only_member(tmp_path: Path) -> None:
    content = b' {"channels": []}'
    assert unpacked(tmp_path, content, ["BkgOnly.json"]) == ["BkgOnly.json"]
    assert (tmp_path / "out" / "BkgOnly.json").read_bytes() == content


def test_a_plain_json_file_does_not_stand_for_two(tmp_path: Path) -> None:
    assert "is a single JSON file" in refused(tmp_path, b"[]")


def test_a_star_stands_for_all_files_of_a_folder(tmp_path: Path) -> None:
    names = ["RegionA/BkgOnly.json", "RegionA/patch.1.json", "RegionA/patch.2.json"]
    others = ["RegionB/patch.1.json", "RegionA/old/patch.3.json", "RegionA/patchXjson"]
    content = tar_gz([(f"sbottom/{name}", b"[]") for name in names + others])
    assert unpacked(tmp_path, content, ["RegionA/BkgOnly.json", "RegionA/patch.*.json"]) == names


def test_of_several_members_with_one_ending_none_is_guessed(tmp_path: Path) -> None:
    content = tar([("A/BkgOnly.json", b"1"), ("B/BkgOnly.json", b"2")])
    told = refused(tmp_path, content, ["BkgOnly.json"])
    assert "may be any of A/BkgOnly.json, B/BkgOnly.json" in told


def test_the_member_with_the_very_path_is_meant(tmp_path: Path) -> None:
    unpacked(tmp_path, tar([("old/BkgOnly.json", b"1"), *FILES.items()]))
    assert (tmp_path / "out" / "BkgOnly.json").read_bytes() == FILES["BkgOnly.json"]


@pytest.mark.parametrize("pack", [tar, tar_gz, zip_])
@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/etc/x", "C:/x", "..\\x", "a/..", "BkgOnly.json/../x"]
)
def test_a_path_that_leads_out_is_refused(
    tmp_path: Path, pack: Callable[[object], bytes], name: str
) -> None:
    assert "could lead out" in refused(tmp_path, pack([*FILES.items(), (name, b"")]))


@pytest.mark.parametrize("wanted", ["../BkgOnly.json", "/BkgOnly.json", ""])
def test_a_member_in_the_config_that_leads_out_is_refused(tmp_path: Path, wanted: str) -> None:
    assert "in the config" in refused(tmp_path, tar(FILES.items()), [wanted])


@pytest.mark.parametrize(
    ("kind", "called"),
    [
        (tarfile.SYMTYPE, "a link"),
        (tarfile.LNKTYPE, "a link"),
        (tarfile.CHRTYPE, "no ordinary file"),
        (tarfile.BLKTYPE, "no ordinary file"),
        (tarfile.FIFOTYPE, "no ordinary file"),
    ],
)
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes, called: str) -> None:
    assert f"holds x, which is {called}" in refused(tmp_path, special(kind))


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo("BkgOnly.json")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    assert "which is a link" in refused(tmp_path, buffer.getvalue(), ["BkgOnly.json"])


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("pack", [tar, tar_gz, zip_])
@pytest.mark.parametrize("again", ["BkgOnly.json", "./BkgOnly.json"])
def test_two_members_with_one_name_are_refused(
    tmp_path: Path, pack: Callable[[object], bytes], again: str
) -> None:
    content = pack([*FILES.items(), (again, b"other")])
    assert "two members with the name BkgOnly.json" in refused(tmp_path, content)


@pytest.mark.parametrize("pack", [tar, tar_gz, zip_])
def test_declared_limits_hold(tmp_path: Path, pack: Callable[[object], bytes]) -> None:
    large = pack([*FILES.items(), ("x", b"x" * 20_000)])
    assert "more than 10000 bytes" in refused(tmp_path, large, total_bytes=10_000)
    assert "more than 2 members" in refused(tmp_path, large, members=2)


@pytest.mark.parametrize("pack", [tar_gz, zip_])
def test_a_bomb_is_refused_by_its_ratio(tmp_path: Path, pack: Callable[[object], bytes]) -> None:
    bomb = pack([("BkgOnly.json", bytes(30_000_000))])
    assert "more than 300 times its size" in refused(tmp_path, bomb, ["BkgOnly.json"])


def test_a_member_that_claims_terabytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    member = tarfile.TarInfo("x")
    member.size = 2**42
    content = zipped(tar(FILES.items())[:2048] + member.tobuf(tarfile.GNU_FORMAT))
    assert "unpacks to more than" in refused(tmp_path, content)


def test_a_header_that_claims_a_huge_name_is_refused(tmp_path: Path) -> None:
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 2**30
    assert "has a header of" in refused(tmp_path, member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))


def test_a_negative_size_does_not_hang(tmp_path: Path) -> None:
    header = bytearray(tarfile.TarInfo("x").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 4 + struct.pack(">q", -1024)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    refused(tmp_path, bytes(header) + bytes(1024))


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    assert "no ordinary file" in refused(tmp_path, special(tarfile.GNUTYPE_SPARSE))


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    content = bytearray(zip_(FILES.items()))
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + at] |= 1
    assert "is encrypted" in refused(tmp_path, bytes(content))


def test_what_is_missing_is_named_with_what_is_there(tmp_path: Path) -> None:
    told = refused(tmp_path, tar([("README.md", b""), ("inner.tar.gz", tar_gz(FILES.items()))]))
    assert "holds no member BkgOnly.json; it holds README.md, inner.tar.gz" in told
    assert "archives within it (inner.tar.gz) are not opened" in told


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (tar([]), "it holds nothing"),
        (tar_gz([]), "it holds nothing"),
        (zip_([]), "it holds nothing"),
        (b"<!DOCTYPE html><html>", "is an HTML or XML page"),
        (b"BZh91AY&SY" + bytes(600), "damaged, or no tar"),
        (b"\x1f\x8b" + b"nonsense" * 100, "damaged, or no tar"),
        (b"PK\x03\x04" + b"nonsense" * 100, "damaged, or no tar"),
        (b"just some text", "damaged, or no tar"),
        (zipped(b'{"channels": []}'), "damaged, or no tar"),
    ],
)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    assert problem in refused(tmp_path, content)


def test_names_in_errors_cannot_steer_a_terminal(tmp_path: Path) -> None:
    assert refused(tmp_path, tar([("\x1b[2J\n", b"")])).isprintable()


def test_a_damaged_member_packed_with_lzma_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("BkgOnly.json", json.dumps([*range(5000)]))
    content = bytearray(buffer.getvalue())
    content[200:400] = bytes(200)
    assert "damaged" in refused(tmp_path, bytes(content))


@pytest.mark.parametrize("pack", [tar_gz, zip_])
def test_a_truncated_archive_is_refused_wherever_it_ends(
    tmp_path: Path, pack: Callable[[object], bytes]
) -> None:
    whole = pack(FILES.items())
    for end in range(1, len(whole), 7):
        refused(tmp_path, whole[:end])


def test_a_damaged_header_is_not_taken_for_the_end(tmp_path: Path) -> None:
    content = bytearray(tar([*FILES.items(), ("x", b"x"), ("y", b"y")]))
    content[2 * 1024 + 148] ^= 1  # checksum of the third header
    assert "damaged header" in refused(tmp_path, bytes(content))


def test_a_full_disk_is_no_damaged_archive(tmp_path: Path) -> None:
    (tmp_path / "archive").write_bytes(tar(FILES.items()))
    (tmp_path / "out").write_text("a file in the way")
    with pytest.raises(FileExistsError):
        unpack(tmp_path / "archive", tmp_path / "out", WANTED)


def test_the_published_archive(mirror: Path, tmp_path: Path) -> None:
    """1Lbb: sizes as in the record's README."""
    archive = mirror / "10.17182/hepdata.90607.v3/r3.tar.gz"
    background, patchset = unpack(archive, tmp_path, WANTED)
    assert (background.stat().st_size, patchset.stat().st_size) == (4_436_904, 57_332_112)


def unpacks_or_says_why(content: bytes, folder: Path) -> None:
    archive = folder / "archive"
    archive.write_bytes(content)
    try:
        paths = unpack(archive, folder / "out", WANTED)
    except UserError as error:
        assert str(error).isprintable()
    else:
        assert [path.name for path in paths] == WANTED


WHOLE = [*(pack(FILES.items()) for pack in (tar, tar_gz, zip_)), json.dumps({"a": 1}).encode()]


def damaged_archive(random: Random) -> bytes:
    """An archive, or JSON, with some bytes changed, and every other time cut off somewhere."""
    content = bytearray(random.choice(WHOLE))
    if random.random() < 0.5:
        del content[random.randint(1, 3000) :]
    for _ in range(random.randint(0, 4)):
        content[random.randrange(min(len(content), 3000))] = random.randrange(256)
    return bytes(content)


@settings(max_examples=200, deadline=None)
@given(RANDOM)
def test_damaged_archives_give_clear_errors(
    tmp_path_factory: pytest.TempPathFactory, random: Random
) -> None:
    unpacks_or_says_why(damaged_archive(random), tmp_path_factory.getbasetemp())


@pytest.mark.long
def test_ten_thousand_damaged_archives(tmp_path: Path) -> None:
    for_ten_thousand_seeds(lambda random: unpacks_or_says_why(damaged_archive(random), tmp_path))
