"""Leaflet, from the package or from a folder, looked at before it is used."""

from pathlib import Path

import pytest

from phusong.data.errors import MapError
from phusong.maps import assets
from phusong.maps.assets import read_leaflet

SCRIPT = 'window.L={};L.version="1.8.0";\n//# sourceMappingURL=leaflet.js.map\n'
STYLE = ".leaflet-pane{}.leaflet-control{background-image: url(images/layers.png)}"


def make_folder(folder: Path, script: str = SCRIPT, style: str = STYLE) -> Path:
    (folder / "leaflet.js").write_text(script)
    (folder / "leaflet.css").write_text(style)
    return folder


def test_the_installed_package_still_holds_leaflet_where_we_look() -> None:
    leaflet = read_leaflet()
    assert leaflet.version.startswith("1.")
    assert "L.canvas" in leaflet.script or ".canvas=" in leaflet.script
    assert ".leaflet-container" in leaflet.style


def test_leaflet_names_nothing_that_a_browser_would_fetch() -> None:
    leaflet = read_leaflet()
    assert "sourceMappingURL" not in leaflet.script
    assert "url(" not in leaflet.style


def test_the_licence_goes_with_it() -> None:
    assert "BSD 2-Clause" in read_leaflet().licence
    assert "Agafonkin" in read_leaflet().licence


def test_a_folder_serves_instead(tmp_path: Path) -> None:
    leaflet = read_leaflet(make_folder(tmp_path))
    assert leaflet.version == "1.8.0"
    assert "sourceMappingURL" not in leaflet.script
    assert "images/layers.png" not in leaflet.style


def test_a_folder_without_leaflet_is_named(tmp_path: Path) -> None:
    with pytest.raises(MapError, match=r"leaflet\.js.*--leaflet"):
        read_leaflet(tmp_path)


@pytest.mark.parametrize(
    ("script", "style", "said"),
    [
        ("alert(1)", STYLE, r"\.version not found"),
        (SCRIPT, "body{}", r"\.leaflet-pane not found"),
        (SCRIPT.replace("1.8.0", "2.0.0"), STYLE, "Leaflet 2.0.0"),
        ("x" * (assets.MAX_FILE_BYTES + 1), STYLE, "over"),
    ],
)
def test_what_does_not_look_like_leaflet_is_refused(
    tmp_path: Path, script: str, style: str, said: str
) -> None:
    with pytest.raises(MapError, match=said):
        read_leaflet(make_folder(tmp_path, script, style))


def test_a_package_with_other_insides_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    from offlinefolium import elements

    monkeypatch.setattr(elements, "_res", {"https://example.org/other.js": "1"})
    with pytest.raises(MapError, match="has changed inside"):
        read_leaflet()


def test_a_missing_package_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assets, "PACKAGE", "a-package-that-nobody-wrote")
    with pytest.raises(MapError, match="is not installed"):
        read_leaflet()
