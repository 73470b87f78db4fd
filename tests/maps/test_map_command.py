"""`phusong map build`: kept results in, one file out."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pmtiles.tile import TileType

from phusong.coverage.boundary_rows import make_set, set_to_rows
from phusong.coverage.record import result_to_rows
from phusong.coverage.summary import AreaSummary, Result, Verdict
from phusong.data.kept import save_boundaries, save_result
from phusong.data.sample import Sample
from phusong.data.store import Store

CELL = "884143b5adfffff"


@pytest.fixture
def keep(
    tmp_path: Path, make_result: Callable[..., Result], squares: Callable[..., Any]
) -> Callable[..., int]:
    """Keep a result in the test's own store, with the boundaries it names."""

    def keep_result(*areas: AreaSummary, **changes: Any) -> int:
        frame = squares("1", "2", level="commune", parent_code=None, parent_name=None)
        boundaries = make_set(frame, name="Test", source="test", vintage="2025", report={})
        values = {"boundary_id": boundaries.id} | changes
        with Store.open(tmp_path / "test.db") as store:
            save_boundaries(store, *set_to_rows(boundaries))
            return save_result(store, *result_to_rows(make_result(*areas, **values)))

    return keep_result


def test_a_map_is_written_and_its_areas_are_counted(
    phusong: Any, keep: Any, make_area: Any, tmp_path: Path
) -> None:
    keep(make_area("1"), make_area("2", Verdict.NO_DATA))
    out = tmp_path / "map.html"
    finished = phusong("map", "build", out, "--json")
    assert finished.code == 0
    answer = json.loads(finished.out)
    assert answer["bytes"] == out.stat().st_size
    assert answer["results"] == [
        {
            "rule": "test-rule",
            "area": "commune",
            "areas": 2,
            "covered": 1,
            "not_covered": 0,
            "unproven": 0,
            "no_data": 1,
            "simulated": 0,
        }
    ]


def test_the_newest_result_of_each_rule_is_drawn(
    phusong: Any, keep: Any, make_area: Any, tmp_path: Path
) -> None:
    keep(make_area("1", Verdict.UNPROVEN), rule="a")
    keep(make_area("1", Verdict.COVERED), rule="a")
    keep(make_area("1", Verdict.NOT_COVERED), rule="b")
    finished = phusong("map", "build", tmp_path / "map.html", "--json")
    results = json.loads(finished.out)["results"]
    assert [(row["rule"], row["covered"], row["not_covered"]) for row in results] == [
        ("a", 1, 0),
        ("b", 0, 1),
    ]


def test_every_period_of_a_rule_is_drawn_by_its_newest_result(
    phusong: Any, keep: Any, make_area: Any, tmp_path: Path
) -> None:
    april, july = datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC)
    keep(make_area("1", Verdict.UNPROVEN), period_start=april, period_end=july)
    keep(make_area("1", Verdict.COVERED), period_start=april, period_end=july)
    keep(make_area("1", Verdict.NOT_COVERED), period_start=july, period_end=None)
    finished = phusong("map", "build", tmp_path / "map.html", "--json")
    results = json.loads(finished.out)["results"]
    counts = [(row["covered"], row["not_covered"]) for row in results]
    assert counts == [(0, 1), (1, 0)], "the page opens with the latest period"


def test_results_can_be_named(phusong: Any, keep: Any, make_area: Any, tmp_path: Path) -> None:
    first = keep(make_area("1", Verdict.UNPROVEN), rule="a")
    keep(make_area("1", Verdict.COVERED), rule="a")
    finished = phusong("map", "build", tmp_path / "map.html", "--result", first, "--json")
    assert [row["unproven"] for row in json.loads(finished.out)["results"]] == [1]


def test_h3_cells_are_drawn_without_boundaries(
    phusong: Any, keep: Any, make_area: Any, tmp_path: Path
) -> None:
    keep(make_area(CELL, name=CELL), area="h3:8", boundary_id=None)
    finished = phusong("map", "build", tmp_path / "map.html")
    assert finished.code == 0
    assert '"area":"h3:8"' in (tmp_path / "map.html").read_text("utf-8")


def test_points_are_drawn_and_can_be_left_out(
    phusong: Any,
    keep: Any,
    make_area: Any,
    make_sample: Callable[..., Sample],
    tmp_path: Path,
) -> None:
    keep(make_area("1"))
    with Store.open(tmp_path / "test.db") as store:
        store.append([make_sample()])
    out = tmp_path / "map.html"
    phusong("map", "build", out)
    assert '"points":{"steps":[10585000,2103000]' in out.read_text("utf-8")
    phusong("map", "build", out, "--points", 0)
    assert '"points":null' in out.read_text("utf-8")


def test_the_page_speaks_the_language_of_the_command_at_first(
    phusong: Any, keep: Any, make_area: Any, tmp_path: Path
) -> None:
    keep(make_area("1"))
    finished = phusong("map", "build", tmp_path / "map.html", lang="vi")
    assert '<html lang="vi">' in (tmp_path / "map.html").read_text("utf-8")
    assert "mở bằng trình duyệt bất kỳ" in finished.err


def test_a_store_without_results_is_a_message(phusong: Any, tmp_path: Path) -> None:
    Store.open(tmp_path / "test.db").close()
    finished = phusong("map", "build", tmp_path / "map.html")
    assert (finished.code, "phusong coverage compute" in finished.err) == (3, True)


def test_an_empty_result_is_a_message(phusong: Any, keep: Any, tmp_path: Path) -> None:
    keep()
    finished = phusong("map", "build", tmp_path / "map.html")
    assert (finished.code, "has no areas" in finished.err) == (3, True)


def test_a_result_whose_level_has_no_boundaries_is_a_message(
    phusong: Any, keep: Any, make_area: Any, tmp_path: Path
) -> None:
    keep(make_area("1"), area="village")
    finished = phusong("map", "build", tmp_path / "map.html")
    assert (finished.code, "no geometry" in finished.err) == (3, True)


def test_an_unwritable_place_is_a_message(
    phusong: Any, keep: Any, make_area: Any, tmp_path: Path
) -> None:
    keep(make_area("1"))
    finished = phusong("map", "build", tmp_path / "nowhere" / "map.html")
    assert (finished.code, "is not a folder" in finished.err) == (3, True)


def test_a_folder_without_leaflet_is_a_message(
    phusong: Any, keep: Any, make_area: Any, tmp_path: Path
) -> None:
    keep(make_area("1"))
    finished = phusong("map", "build", tmp_path / "map.html", "--leaflet", tmp_path)
    assert (finished.code, "leaflet.js" in finished.err) == (3, True)
    assert not (tmp_path / "map.html").exists()


def test_a_site_is_written_and_its_pages_are_counted(
    phusong: Any, keep: Any, make_area: Any, tmp_path: Path
) -> None:
    keep(make_area("1"), make_area("2", Verdict.NO_DATA))
    finished = phusong("map", "build", "--site", tmp_path / "site", "--json")
    assert finished.code == 0
    (answer,) = [json.loads(finished.out)]
    files = [path for path in (tmp_path / "site").rglob("*") if path.is_file()]
    assert answer["pages"] == 1
    assert answer["files"] == len(files)
    assert answer["size_bytes"] == sum(path.stat().st_size for path in files)
    assert 0 < answer["first_page_bytes"] <= answer["size_bytes"]


def test_a_basemap_is_packed_into_the_page_and_what_is_left_out_is_said(
    phusong: Any, keep: Any, make_area: Any, tile_folder: Any, tmp_path: Path
) -> None:
    keep(make_area("1"))
    folder = tile_folder()
    noise = os.urandom(1_600_000)
    for path in (folder / "8").rglob("*.png"):
        # A picture that differs from all others, and is large.
        path.write_bytes(path.read_bytes() + noise + str(path).encode())
    out = tmp_path / "map.html"
    finished = phusong("map", "build", out, "--basemap", folder, "--basemap-mb", 4)
    assert finished.code == 0
    assert "tiles of zooms 0 to 7" in finished.err
    assert "(8 to 8) would take over 4 MB" in finished.err
    assert "Trường Sa" in finished.err
    assert "name its owner with --attribution" in finished.err
    assert '"kind":"packed"' in out.read_text("utf-8")
    vietnamese = phusong(
        "map",
        "build",
        out,
        "--basemap",
        folder,
        "--basemap-mb",
        4,
        "--attribution",
        "© A",
        lang="vi",
    )
    assert "mức thu phóng 0 đến 7" in vietnamese.err
    assert "--attribution" not in vietnamese.err


def test_a_vector_basemap_says_which_layers_it_draws(
    phusong: Any, keep: Any, make_area: Any, write_pmtiles: Any, tmp_path: Path
) -> None:
    keep(make_area("1"))
    layers = [{"id": "water"}, {"id": "boundaries"}]
    path = write_pmtiles({(0, 0, 0): b""}, kind=TileType.MVT, metadata={"vector_layers": layers})
    finished = phusong("map", "build", tmp_path / "map.html", "--basemap", path)
    assert finished.code == 0
    assert "Drawn of its layers: water. Left out, borders and names among them: boundaries." in (
        finished.err
    )


def test_a_site_has_the_tiles_as_files(
    phusong: Any, keep: Any, make_area: Any, tile_folder: Any, tmp_path: Path
) -> None:
    keep(make_area("1"))
    finished = phusong("map", "build", "--site", tmp_path / "site", "--basemap", tile_folder())
    assert finished.code == 0
    (tile,) = (tmp_path / "site").glob("basemap-*/7/101/56.png")
    assert tile.read_bytes() == (tmp_path / "tiles" / "7" / "101" / "56.png").read_bytes()
    # A tile that somebody else put there keeps the site from being replaced.
    (tile.parent / "999.png").touch()
    again = phusong("map", "build", "--site", tmp_path / "site")
    assert (again.code, "999.png" in again.err) == (3, True)


def test_online_tiles_are_announced_and_plain_ones_warned_of(
    phusong: Any, keep: Any, make_area: Any, tmp_path: Path
) -> None:
    keep(make_area("1"))
    out = tmp_path / "map.html"
    tiles = ("--tiles", "http://tiles.example/{z}/{x}/{y}.png", "--attribution", "© A")
    finished = phusong("map", "build", out, *tiles)
    assert finished.code == 0
    assert "fetches tiles from tiles.example" in finished.err
    assert "prefer https" in finished.err
    assert "img-src data: http://tiles.example;" in out.read_text("utf-8")


@pytest.mark.parametrize("basemap", ["nowhere", "."])
def test_a_basemap_that_is_none_writes_nothing(
    basemap: str, phusong: Any, keep: Any, make_area: Any, tmp_path: Path
) -> None:
    keep(make_area("1"))
    finished = phusong("map", "build", tmp_path / "map.html", "--basemap", tmp_path / basemap)
    assert (finished.code, "basemap" in finished.err or "tiles" in finished.err) == (3, True)
    assert not (tmp_path / "map.html").exists()


@pytest.mark.parametrize("arguments", [[], ["map.html", "--site", "site"]])
def test_one_file_or_a_folder_must_be_named_and_not_both(
    arguments: list[str], phusong: Any, keep: Any, make_area: Any
) -> None:
    keep(make_area("1"))
    finished = phusong("map", "build", *arguments)
    assert finished.code == 2
    assert "--site" in finished.err


def test_audits_of_the_store_are_drawn_by_area_and_can_be_left_out(
    phusong: Any, keep: Any, make_area: Any, tmp_path: Path
) -> None:
    keep(make_area("1"), make_area("2", Verdict.NO_DATA))
    listed = tmp_path / "list.csv"
    listed.write_text(
        "host,agency,unit,aaaa\na.gov.vn,A,1,yes\nb.gov.vn,B,1,no\nc.gov.vn,C,99,yes\n", "utf-8"
    )
    assert phusong("ipv6", "import", listed, "--as-of", "2026-08-01").code == 0
    out = tmp_path / "map.html"
    finished = phusong("map", "build", out, "--json")
    assert finished.code == 0
    [audit] = json.loads(finished.out)["audits"]
    assert audit["area"] == "commune"
    data = json.loads(out.read_text("utf-8").split('id="data">')[1].split("</script>")[0])
    entry = data["results"][-1]
    assert (entry["kind"], entry["inputs"]["hosts"]) == ("ipv6-adoption", 3)
    assert [count for _, count in entry["outside"]] == [1]
    assert phusong("map", "build", out, "--no-adoption").code == 0
    assert "ipv6-adoption" not in out.read_text("utf-8").split('id="data">')[1].split("<script>")[0]
    assert phusong("map", "build", "--site", tmp_path / "site").code == 0


def test_audits_alone_make_a_map(phusong: Any, tmp_path: Path) -> None:
    listed = tmp_path / "list.csv"
    listed.write_text("host,agency,unit,aaaa\na.gov.vn,A,01,yes\n", "utf-8")
    assert phusong("ipv6", "import", listed, "--as-of", "2026-08-01").code == 0
    finished = phusong("map", "build", tmp_path / "map.html", "--json")
    assert finished.code == 0
    answer = json.loads(finished.out)
    assert (answer["results"], answer["audits"][0]["area"]) == ([], "province")
