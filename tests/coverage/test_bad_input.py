"""What cannot be judged as it is: named, with what to try, and nothing kept of it."""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely

from phusong.coverage.areas import hexagon_areas
from phusong.coverage.cell_builder import build_index
from phusong.coverage.cell_file import save_index
from phusong.coverage.cluster import cluster, count_on
from phusong.coverage.counting import Job
from phusong.coverage.partitions import find_partitions, read_partition
from phusong.coverage.rules import load_rule
from phusong.data.errors import ConfigError

Run = Callable[..., Any]
ASKED = ("coverage", "compute", "--rule", "vn-4g", "--by", "h3:6")


def change(folder: Path, name: str, value: object) -> None:
    """Have the third row of the second file hold something else."""
    part = folder / "part-00001.parquet"
    whole = pq.read_table(part)
    held = whole[name].to_pylist()
    held[2] = value
    column = whole.schema.get_field_index(name)
    kind = whole.schema.field(name).type
    pq.write_table(whole.set_column(column, name, pa.array(held, kind)), part)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("outcome", "okay", 'row 3: "outcome" is okay, which no sample has'),
        ("kind", "spede", 'row 3: "kind" is spede'),
        ("rat", "4G", 'row 3: "rat" is 4G'),
        ("origin", None, 'row 3: "origin" is missing'),
        ("started_at", None, 'row 3: "started_at" is missing'),
        ("started_at", "yesterday", "cannot be read: Failed to parse string: 'yesterday'"),
        ("lat", 200.0, 'row 3: "lat" is 200.0'),
        ("lon", float("inf"), 'row 3: "lon" is inf'),
        ("lon", None, "row 3: of lon and lat one is missing"),
        ("down_mbps", -5.0, 'row 3: "down_mbps" is -5.0'),
    ],
)
def test_a_row_that_no_sample_is_like_is_named_and_nothing_is_kept(
    phusong: Run, dataset: Path, name: str, value: object, told: str
) -> None:
    change(dataset, name, value)
    done = phusong(*ASKED, "--from", dataset)
    assert done.code == 3, done.err
    assert told in done.err
    assert "part-00001.parquet" in done.err
    assert phusong("coverage", "list", "--json").out == ""


def test_a_column_has_its_own_name_in_every_language(phusong: Run, dataset: Path) -> None:
    change(dataset, "outcome", "okay")
    done = phusong(*ASKED, "--from", dataset, lang="vi")
    assert 'dòng 3: "outcome" là okay' in done.err


def test_a_row_is_numbered_from_the_beginning_of_its_file(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phusong.coverage.partitions.CHUNK_ROWS", 2)
    change(dataset, "kind", "spede")
    with pytest.raises(ConfigError, match='row 3: "kind"'):
        list(read_partition(find_partitions(str(dataset))[1]))


def test_what_exports_hold_is_taken_as_it_is(dataset: Path) -> None:
    for name in ("rat", "nr_evidence", "operator", "down_mbps", "accuracy_m"):
        change(dataset, name, None)
    change(dataset, "down_mbps", float("nan"))
    rows = [chunk for part in find_partitions(str(dataset)) for chunk in read_partition(part)]
    assert sum(len(chunk["lat"]) for chunk in rows) == 20


def test_two_columns_of_one_name_are_refused(phusong: Run, dataset: Path) -> None:
    part = dataset / "part-00000.parquet"
    whole = pq.read_table(part)
    pq.write_table(pa.table([*whole.columns, whole["lat"]], [*whole.column_names, "lat"]), part)
    done = phusong(*ASKED, "--from", dataset)
    assert (done.code, '2 columns are called "lat"' in done.err) == (3, True)


def test_files_without_a_sample_in_the_period_leave_the_newest_result_alone(
    phusong: Run, dataset: Path
) -> None:
    assert phusong(*ASKED).code == 0
    kept = phusong("coverage", "show", "--json").out
    done = phusong(*ASKED, "--from", dataset, "--period", "2020")
    assert (done.code, "no sample to judge in the period 2020" in done.err) == (3, True)
    assert phusong("coverage", "show", "--json").out == kept


def test_an_empty_list_of_results_says_what_to_do(phusong: Run, dataset: Path) -> None:
    done = phusong("coverage", "list")
    assert (done.code, done.out, "phusong coverage compute" in done.err) == (0, "", True)


def villages(tmp_path: Path, west: float) -> Path:
    """Write a file of one village of half a degree."""
    ring = [[west, 20.9], [west + 0.5, 20.9], [west + 0.5, 21.1], [west, 21.1], [west, 20.9]]
    feature = {
        "type": "Feature",
        "properties": {"village_id": "v1", "village": "Một"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    path = tmp_path / "villages.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), "utf-8")
    return path


def test_samples_that_are_all_outside_are_told_where_the_areas_lie(
    phusong: Run, dataset: Path, tmp_path: Path
) -> None:
    phusong("boundaries", "load", villages(tmp_path, 2.0))
    asked = ("coverage", "compute", "--rule", "vn-4g", "--by", "village")
    for way in ((), ("--from", dataset)):
        done = phusong(*asked, *way)
        assert done.code == 1
        assert "reach from 2.00 to 2.50 in longitude and from 20.90 to 21.10" in done.err


def test_samples_of_which_one_is_inside_are_not_told_so(
    phusong: Run, dataset: Path, tmp_path: Path
) -> None:
    phusong("boundaries", "load", villages(tmp_path, 105.5))
    done = phusong("coverage", "compute", "--rule", "vn-4g", "--by", "village")
    assert done.code == 0
    assert "Every sample lies outside" not in done.err


def cut(kept: Path) -> None:
    kept.write_bytes(kept.read_bytes()[:100])


def foreign(kept: Path) -> None:
    save_index(kept, "another set", build_index(np.array([shapely.box(0, 0, 1, 1)])))


@pytest.mark.parametrize("spoil", [cut, foreign])
def test_an_index_that_cannot_be_used_is_made_anew_and_that_is_said(
    phusong: Run, dataset: Path, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    phusong("boundaries", "load", villages(tmp_path, 105.5))
    asked = ("coverage", "compute", "--rule", "vn-4g", "--by", "village")
    first = phusong(*asked)
    (kept,) = (tmp_path / "test.db-kept").iterdir()
    good = kept.read_bytes()
    spoil(kept)
    second, third = phusong(*asked), phusong(*asked)
    told = "the index is made anew"
    assert [told in done.err for done in (first, second, third)] == [False, True, False]
    assert kept.read_bytes() == good
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]


def test_an_index_that_cannot_be_kept_is_said(phusong: Run, dataset: Path, tmp_path: Path) -> None:
    phusong("boundaries", "load", villages(tmp_path, 105.5))
    (tmp_path / "test.db-kept").write_text("in the way")
    done = phusong("coverage", "compute", "--rule", "vn-4g", "--by", "village")
    assert (done.code, "The index cannot be kept" in done.err) == (0, True)


@pytest.mark.parametrize("address", ["tls://127.0.0.1:9", "nonsense", "ftp://127.0.0.1:9", ""])
def test_an_address_that_is_no_clusters_is_one_message(
    phusong: Run, dataset: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phusong.coverage.cluster.WAIT_S", 1)
    done = phusong(*ASKED, "--from", dataset, "--scheduler", address)
    assert (done.code, f"no cluster answers at {address}" in done.err) == (3, True)


class Deaf(socketserver.BaseRequestHandler):
    """Takes what is said, and never says a word."""

    def handle(self) -> None:
        while self.request.recv(4096):
            pass


@pytest.fixture
def silent() -> Iterator[int]:
    """Give the port of a server that takes every connection and never answers."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Deaf) as server:
        server.daemon_threads, server.block_on_close = True, False
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join(30)


def test_a_server_that_says_nothing_is_not_waited_for_for_ever(
    phusong: Run, dataset: Path, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("phusong.coverage.cluster.WAIT_S", 1)
    done = phusong(*ASKED, "--from", dataset, "--scheduler", f"tcp://127.0.0.1:{silent}")
    assert (done.code, "no answer for 1 s" in done.err) == (3, True)


def test_a_spoiled_file_is_read_once_by_a_cluster_and_its_workers_do_not_shout(
    dataset: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    change(dataset, "kind", "spede")
    job = Job(areas=(hexagon_areas("h3:6"),), rules=(load_rule("vn-4g"),))
    with cluster("local", 1) as client, pytest.raises(ConfigError, match='"kind" is spede'):
        list(count_on(client, job, find_partitions(str(dataset))))
    assert "Traceback" not in capfd.readouterr().err


class Unanswered(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """As over HTTP: what does not answer has no files, until it is asked for its folder."""

    protocol = "unanswered"

    def find(self, path: str, **options: Any) -> list[str]:
        return []

    def ls(self, path: str, **options: Any) -> list[str]:
        raise OSError("nobody answers")


def test_a_server_that_does_not_answer_is_no_empty_folder() -> None:
    fsspec.register_implementation("unanswered", Unanswered, clobber=True)
    with pytest.raises(ConfigError, match="cannot be read: nobody answers"):
        find_partitions("unanswered://there")
    with pytest.raises(ConfigError, match="no Parquet file there"):
        find_partitions("memory://nothing-here")
