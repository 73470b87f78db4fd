"""Rules: read, checked, and honest about numbers that nobody has verified."""

from pathlib import Path

import pytest

from phusong.coverage.rules import MAX_RULE_BYTES, list_rules, load_rule, read_rule
from phusong.data.errors import ConfigError
from phusong.data.sample import NrEvidence, Rat

GOOD = """
id = "own"
version = 1
title_en = "Own"
title_vi = "Riêng"
source = "here"
technologies = ["LTE"]
required_share = 0.9
[thresholds]
down_mbps = 10
[verified]
down_mbps = true
"""


def test_every_packaged_rule_is_in_order_and_named_like_its_file() -> None:
    assert {"vn-4g", "vn-5g", "vn-plan-40", "fcc-5-1", "fcc-7-1"} <= set(list_rules())
    assert {"signal-only", "signal-5g-indicated", "signal-lte"} <= set(list_rules())
    assert {"fcc-35-3", "uk-4g", "sdg-9c1-4g"} <= set(list_rules())
    for name in list_rules():
        rule = load_rule(name)
        assert rule.id == name
        assert rule.title_en != rule.title_vi


def test_the_5g_standard_is_as_published() -> None:
    rule = load_rule("vn-5g")
    assert rule.thresholds == {"down_mbps": 30}
    assert rule.required_share == 0.95
    assert rule.nr_evidence is NrEvidence.NSA_MEASURED
    assert rule.technologies == {Rat.NR_NSA, Rat.NR_SA}
    assert Rat.LTE in rule.counts_against


def test_a_number_is_unverified_unless_the_file_says_it_is() -> None:
    assert read_rule("own.toml", GOOD.encode()).unverified == ("required_share",)
    assert load_rule("vn-4g").unverified == ("down_mbps", "required_share")


def test_an_unknown_rule_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no rule vn-6g; there are: fcc-35-3, fcc-5-1, "):
        load_rule("vn-6g")


def test_a_rule_of_ones_own_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text(GOOD, "utf-8")
    assert load_rule(str(file)).thresholds == {"down_mbps": 10}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("required_share = 0.9", "required_share = 90"), "required_share: saw 90"),
        (("required_share = 0.9", "required_share = nan"), "required_share: saw nan"),
        (("required_share = 0.9", ""), "required_share: saw None"),
        (('["LTE"]', '["6G"]'), "technologies: saw '6G'"),
        (('["LTE"]', "[]"), "technologies"),
        (('["LTE"]', '["NR-SA", "NR-NSA"]'), "nr_evidence: saw None"),
        (("down_mbps = 10", 'down_mbps = "10"'), r"thresholds\.down_mbps"),
        (("down_mbps = 10", "speed = 10"), r"thresholds\.speed"),
        (('id = "own"', 'id = "../own"'), "id: saw"),
        (("version = 1", "version = true"), "version: saw True"),
        (('source = "here"', 'source = "here"\nplaces = 4'), "places: saw 4"),
        (('source = "here"', 'source = "here"\ninterval = "wald"'), "interval: saw 'wald'"),
        (('source = "here"', 'source = "here"\ncounts_against = ["LTE"]'), "counts_against"),
        (('source = "here"', 'source = "a\\u001bb"'), "source: saw"),
        (('source = "here"', 'source = "here"\nhours = 6'), "hours: saw 6"),
        (('source = "here"', 'source = "here"\nhours = [6, 6]'), "hours: saw"),
        (('source = "here"', 'source = "here"\nhours = [6, 25]'), "hours: saw 25"),
        (("[verified]", '[test]\nengine = ["ndt7"]\n[verified]'), r"test\.engine: saw .* one of"),
        (("[verified]", '[test]\nengines = "ndt7"\n[verified]'), r"test\.engines: .* a list"),
        (("[verified]", "[test]\nsources = []\n[verified]"), r"test\.sources: .* a list"),
        (("[verified]", "[test]\nsources = [7]\n[verified]"), r"test\.sources: saw 7"),
        (("[verified]", '[test]\nsources = [" a"]\n[verified]'), r"test\.sources: saw ' a'"),
        (("[verified]", "[test]\nmin_duration_s = 5\n[verified]"), r"test\.min_duration_s"),
        (('id = "own"', 'id = "own"\ntest = "ndt7"'), "test: saw 'ndt7', expected a table"),
        (
            ("down_mbps = 10\n", 'rtt_idle_ms = 10\n[test]\nengines = ["ndt7"]\n'),
            "only a speed test has an engine",
        ),
        (("[thresholds]", "[thresholds"), "not a rule"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_field(change: tuple[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_rule("own.toml", GOOD.replace(*change).encode())


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\x00", b"a = " + b"[" * 50_000])
def test_a_file_that_is_no_rule_is_refused(content: bytes) -> None:
    with pytest.raises(ConfigError):
        read_rule("own.toml", content)


def test_a_huge_or_missing_rule_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "huge.toml"
    file.write_bytes(b"#" * (MAX_RULE_BYTES + 1))
    with pytest.raises(ConfigError, match="over 100000 bytes"):
        load_rule(str(file))
    with pytest.raises(ConfigError, match="cannot be read"):
        load_rule(str(tmp_path / "none.toml"))
