"""The commands: what they print, keep, and answer to wrong input."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from phusong.coverage.boundaries import read_boundaries
from phusong.coverage.record import result_from_rows
from phusong.data.kept import list_boundary_sets, load_boundaries, load_result, save_boundaries
from phusong.data.sample import Kind, NrEvidence, Outcome, Position, Provenance, Radio, Rat, Sample
from phusong.data.store import Store

Run = Callable[..., object]
SQUARES = [("10", "Tây", 105.80), ("20", "Đông\x1b[2J", 105.90)]


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    features = [
        {
            "type": "Feature",
            "properties": {"commune_id": code, "commune": name, "province": "Hà Nội"},
            "geometry": {
                "type": "Polygon",
                "coordinates": [
                    [[lon, 21], [lon + 0.1, 21], [lon + 0.1, 21.1], [lon, 21.1], [lon, 21]]
                ],
            },
        }
        for code, name, lon in SQUARES
    ]
    path = tmp_path / "squares.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
    return path


def signal(n: int, lon: float, *, served: bool = True, simulated: bool = False) -> Sample:
    """Make a record; those of a drive lie all over a square of 0.1 degrees, a place each."""
    row, column = divmod(37 * n % 81, 9)
    radio = Radio(plmn="45204", operator="Viettel", rat=Rat.LTE) if served else None
    return Sample(
        probe="car",
        seq=n + 1,
        kind=Kind.SIGNAL,
        started_at=datetime(2026, 7, 1, 3, tzinfo=UTC),
        outcome=Outcome.OK if served else Outcome.NO_SIGNAL,
        position=Position(lon=lon + 0.011 * column, lat=21.001 + 0.011 * row),
        radio=radio,
        source=Provenance(tool="test"),
        simulated=simulated,
    )


@pytest.fixture
def driven(db: Path) -> Path:
    """Keep a drive: 73 places served in the west, 12 of 20 without signal in the east."""
    west = [signal(n, 105.801, simulated=n < 3) for n in range(73)]
    east = [signal(n, 105.901, served=n % 5 < 2) for n in range(20)]
    with Store.open(db) as store:
        store.append([*west, *east])
    return db


def test_a_drive_becomes_verdicts_that_are_kept(phusong: Run, driven: Path, squares: Path) -> None:
    loaded = phusong("boundaries", "load", squares)
    assert loaded.code == 0
    assert "2 areas of level commune, codes from commune_id, names from commune" in loaded.err
    done = phusong("coverage", "compute", "--rule", "signal-lte", "--period", "2026-Q3")
    assert done.code == 0
    assert "SIMULATED" in done.err
    assert "93 samples, 3 of them simulated: 93 trials" in done.err
    assert "Proven covered: 1 of 2 areas; not disproven: 1." in done.err
    shown = phusong("coverage", "show", "--json")
    rows = {row["code"]: row for row in map(json.loads, shown.out.splitlines())}
    assert rows["10"]["verdict"] == "covered"
    assert (rows["20"]["verdict"], rows["20"]["successes"], rows["20"]["trials"]) == (
        *("not_covered", 8, 20),
    )
    with Store.open(driven) as store:
        result = result_from_rows(*load_result(store))
    assert result.period_start == datetime(2026, 7, 1, tzinfo=UTC)
    assert result.period_end == datetime(2026, 10, 1, tzinfo=UTC)
    assert len(result.areas) == 4


def test_names_with_control_codes_do_not_reach_the_terminal(
    phusong: Run, driven: Path, squares: Path
) -> None:
    phusong("boundaries", "load", squares)
    phusong("coverage", "compute", "--rule", "signal-lte")
    shown = phusong("coverage", "show")
    assert "\x1b" not in shown.out + shown.err
    assert "Đông\\x1" in shown.out


def test_loading_twice_changes_nothing(phusong: Run, db: Path, squares: Path) -> None:
    phusong("boundaries", "load", squares)
    again = phusong("boundaries", "load", squares)
    assert again.code == 0
    assert "was there already; nothing changed" in again.err
    with Store.open(db) as store:
        assert len(list_boundary_sets(store)) == 1


def test_without_boundaries_communes_are_approximate_and_said_to_be(
    phusong: Run, driven: Path
) -> None:
    done = phusong("coverage", "compute", "--rule", "signal-lte", "--by", "province")
    assert done.code == 0
    assert "approximate" in done.err
    assert "of 34 areas" in done.err
    assert "approximate" in phusong("coverage", "show", "--limit", "1").err
    assert "approximate" in phusong("boundaries", "list").out
    assert json.loads(phusong("coverage", "list", "--json").out)["boundary_approximate"] is True


def test_loaded_boundaries_are_preferred_to_approximate_ones(
    phusong: Run, driven: Path, squares: Path
) -> None:
    phusong("coverage", "compute", "--rule", "signal-lte")
    phusong("boundaries", "load", squares)
    done = phusong("coverage", "compute", "--rule", "signal-lte")
    assert "of 2 areas" in done.err
    assert "approximate" not in done.err


def test_one_areas_operators_can_be_shown(phusong: Run, driven: Path, squares: Path) -> None:
    phusong("boundaries", "load", squares)
    phusong("coverage", "compute", "--rule", "signal-lte")
    rows = phusong("coverage", "show", "--area", "20", "--json").out.splitlines()
    assert {json.loads(row)["operator"] for row in rows} == {"Viettel", "any"}


def test_several_rules_are_judged_at_once(phusong: Run, driven: Path) -> None:
    done = phusong(
        "coverage", "compute", "--by", "h3:7", "--rule", "signal-lte", "--rule", "vn-4g", "--json"
    )
    results = [json.loads(line) for line in done.out.splitlines()]
    assert [result["rule"] for result in results] == ["signal-lte", "vn-4g"]
    assert [result["result"] for result in results] == [1, 2]
    assert results[1]["inputs"]["excluded"] == {"other_kind": 93}
    assert results[1]["rule_unverified"] == ["down_mbps", "required_share"]


def test_an_unverified_number_is_repeated_with_the_result(phusong: Run, driven: Path) -> None:
    done = phusong("coverage", "compute", "--by", "h3:7", "--rule", "vn-4g")
    assert "Nobody has checked these numbers of the rule" in done.err
    assert done.code == 1


def test_all_samples_outside_is_a_bad_answer_and_said(phusong: Run, db: Path) -> None:
    with Store.open(db) as store:
        store.append([signal(n, 2.0) for n in range(5)])
    done = phusong("coverage", "compute", "--rule", "signal-lte", "--by", "province")
    assert done.code == 1
    assert "5 outside every area" in done.err
    assert "No sample could be judged" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rule", "vn-9g"], "there is no rule vn-9g"),
        (["--rule", "signal-lte", "--by", "hamlet"], "no boundaries of level hamlet"),
        (["--rule", "signal-lte", "--by", "h3:44"], "not a resolution of H3"),
        (["--rule", "signal-lte", "--period", "Q3"], "Q3 is not a period"),
        (["--rule", "signal-lte", "--period", "2019"], "no sample to judge in the period 2019"),
        (["--rule", "signal-lte", "--boundaries", "abc"], "0 sets of boundaries have the id abc"),
    ],
)
def test_a_wrong_question_is_refused_in_one_sentence(
    phusong: Run, driven: Path, arguments: list[str], message: str
) -> None:
    done = phusong("coverage", "compute", *arguments)
    assert done.code == 3
    assert message in done.err
    assert "Traceback" not in done.err


def test_zero_samples_or_no_store_is_refused(phusong: Run, db: Path) -> None:
    nowhere = phusong("coverage", "compute", "--rule", "signal-lte")
    assert nowhere.code == 3
    assert not db.exists()
    Store.open(db).close()
    empty = phusong("coverage", "compute", "--rule", "signal-lte")
    assert (empty.code, "no sample to judge" in empty.err) == (3, True)
    assert phusong("coverage", "show").code == 3
    assert phusong("coverage", "compute").code == 2


def test_rules_are_listed_shown_and_checked(phusong: Run, tmp_path: Path) -> None:
    listed = phusong("coverage", "rules", "list", "--json")
    assert "vn-5g" in [json.loads(line)["id"] for line in listed.out.splitlines()]
    shown = json.loads(phusong("coverage", "rules", "show", "vn-5g", "--json").out)
    assert shown["thresholds"] == {"down_mbps": 30.0}
    assert shown["technologies"] == ["NR-NSA", "NR-SA"]
    own = tmp_path / "own.toml"
    own.write_text(
        'id = "own"\nversion = 1\ntitle_en = "a"\ntitle_vi = "b"\nsource = "c"\n'
        'technologies = ["LTE"]\nrequired_share = 0.9\n'
    )
    checked = phusong("coverage", "rules", "check", own)
    assert checked.code == 0
    assert "Unverified numbers: required_share." in checked.err
    own.write_text("id = 7")
    assert phusong("coverage", "rules", "check", own).code == 3


def test_everything_is_said_in_vietnamese(phusong: Run, driven: Path) -> None:
    done = phusong("coverage", "compute", "--rule", "signal-lte", "--by", "h3:7", lang="vi")
    assert "Có sóng LTE tại 95 % vị trí" in done.err
    assert "mẫu mô phỏng" in done.err
    assert "đã phủ" in done.out


def test_prince_william_is_where_the_virginia_log_was_taken(
    phusong: Run, db: Path, shared: Callable[[str], Path]
) -> None:
    counties = shared("us-counties/counties-10m.json")
    phusong("data", "import", shared("us-netcellinfo/network_cell_info_log.csv"))
    phusong("boundaries", "load", counties)
    done = phusong("coverage", "compute", "--rule", "signal-lte", "--by", "county")
    assert "of 3,231 areas" in done.err
    assert "Not one trial failed" in done.err
    top = phusong("coverage", "show", "--limit", "1", "--json")
    assert json.loads(top.out)["code"] == "51153"


def test_one_village_alone_is_judged(phusong: Run, driven: Path, squares: Path) -> None:
    collection = json.loads(squares.read_text("utf-8"))
    collection["features"] = collection["features"][:1]
    squares.write_text(json.dumps(collection), "utf-8")
    phusong("boundaries", "load", squares)
    done = phusong("coverage", "compute", "--rule", "signal-lte")
    assert (done.code, "Proven covered: 1 of 1 area;" in done.err) == (0, True)
    assert "20 outside every area" in done.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lon, lat: [lat, lon], "longitude and latitude are swapped"),
        (lambda lon, lat: [lon * 1e4, lat * 1e5], "are not degrees; say which CRS"),
        (lambda lon, lat: [179.5 if lon < 105.85 else -179.5, lat], "crosses the antimeridian"),
    ],
)
def test_boundaries_that_lie_elsewhere_are_refused_and_nothing_is_kept(
    phusong: Run, db: Path, squares: Path, change: Callable[..., list[float]], message: str
) -> None:
    collection = json.loads(squares.read_text("utf-8"))
    for feature in collection["features"][:1]:
        (ring,) = feature["geometry"]["coordinates"]
        feature["geometry"]["coordinates"] = [[change(*point) for point in ring]]
    squares.write_text(json.dumps(collection), "utf-8")
    done = phusong("boundaries", "load", squares)
    assert (done.code, message in done.err, "Traceback" in done.err) == (3, True, False)
    with Store.open(db) as store:
        assert list_boundary_sets(store) == []


def test_half_a_set_is_never_kept(db: Path, squares: Path) -> None:
    from phusong.coverage.boundary_rows import set_to_rows

    header, rows = set_to_rows(read_boundaries(squares))
    with Store.open(db) as store:
        with pytest.raises(KeyError):
            save_boundaries(store, header, [rows[0], {"level": "commune"}])
        assert list_boundary_sets(store) == []
        assert save_boundaries(store, header, rows) is True
        assert save_boundaries(store, header, rows) is False
        assert len(list(load_boundaries(store, header["id"], "commune"))) == 2


def test_5g_evidence_is_counted_beside_the_verdict(phusong: Run, db: Path) -> None:
    radio = Radio(operator="B", rat=Rat.NR_NSA, nr_evidence=NrEvidence.NSA_INDICATED)
    samples = [
        Sample(
            probe="p",
            kind=Kind.SIGNAL,
            started_at=datetime(2026, 7, 1, tzinfo=UTC),
            outcome=Outcome.OK,
            position=Position(lon=105.8, lat=21.0 + n / 100),
            radio=radio,
            source=Provenance(tool="test"),
        )
        for n in range(3)
    ]
    with Store.open(db) as store:
        store.append(samples)
    phusong("coverage", "compute", "--by", "h3:3", "--rule", "signal-5g-indicated")
    top = json.loads(phusong("coverage", "show", "--json").out.splitlines()[0])
    assert top["nr_evidence"] == {"nsa_indicated": 3}
