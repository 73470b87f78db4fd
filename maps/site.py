"""
A site: a page for each part of a country, for any web server and for a folder on a disk.

Every page is an ordinary page of ours that holds only its own areas. What all pages share (scripts,
styles, words) stands once in ``assets/``; a page's first result is in the page, and the others are
files of their own, fetched when a reader asks for them. A file called ``phusong-site.json`` lists
what was written. A folder is replaced as a whole and only if all that is in it is in that list, so
nothing that somebody else put there is ever deleted and no reader finds half a site.

Scripts and styles are allowed from the site's own address only; data still goes into the page as
JSON, and is shown as text.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from ..data.errors import MapError
from .adoption_layer import DrawnAdoption
from .basemap.tiles import Beneath
from .columns import DrawnResult, Points
from .layers import page_data
from .page import (
    FIRST_PACKS,
    Code,
    PageOptions,
    data_block,
    data_json,
    fill_page,
    own_data,
    pack_blocks,
    page_code,
    page_title,
    shared_data,
)
from .shapes import VERTEX_BUDGET
from .site_plan import Audits, Cut, Level, Section, levels_of, plan_site

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

LIST_NAME = "phusong-site.json"
FIRST_PAGE_VERTICES = 60_000
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src data:{images}; base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was written: pages, files and bytes in all, and the bytes of the first page's files."""

    pages: int
    files: int
    size_bytes: int
    first_page_bytes: int


def write_site(
    folder: Path,
    results: Sequence[DrawnResult],
    parents: Mapping[str, str | None],
    points: Points | None = None,
    options: PageOptions | None = None,
    *,
    adoptions: Sequence[DrawnAdoption] = (),
    on_progress: Callable[[int], None] | None = None,
) -> Written:
    """
    Write a site into a folder, which is made or replaced as a whole.

    `parents` gives the code of the area that each area lies in, over every level that is known.
    Of `adoptions` those over a level of the results are on its pages, and the others on the first.
    `on_progress` is told after every page how many more are written.

    Raises
    ------
    MapError
        If there is nothing to draw, the folder holds what we did not write, or cannot be written.
    """
    options = options or PageOptions()
    check_ours(folder)
    levels = levels_of(results)
    sections = plan_site(levels, parents)
    part = folder.with_name(f".{folder.name[:64]}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        part.mkdir(parents=True)
        site = _Site(part, levels, sections, points, options, adoptions)
        for section in sections:
            site.write(section)
            if on_progress:
                on_progress(1)
        written = site.finish()
        _replace(folder, part)
    except OSError as error:
        raise MapError(
            "cannot write the site {folder}: {error}", folder=folder, error=error.strerror or error
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return written


def count_pages(results: Sequence[DrawnResult], parents: Mapping[str, str | None]) -> int:
    """Give how many pages a site would have."""
    return len(plan_site(levels_of(results), parents))


def check_ours(folder: Path) -> None:
    """
    Raise unless a folder is missing, empty, or holds only what a site of ours listed.

    Raises
    ------
    MapError
        Naming the first file that is not ours.
    """
    if not folder.exists() and not folder.is_symlink():
        return
    if not folder.is_dir() or folder.is_symlink():
        raise MapError("{folder} is not a folder: the site was not written", folder=folder)
    found = {each.relative_to(folder).as_posix() for each in folder.rglob("*") if not each.is_dir()}
    foreign = sorted(found - _listed(folder))
    if foreign:
        raise MapError(
            "{folder} holds {file}, which no site of ours put there; name an empty or a new folder",
            folder=folder,
            file=foreign[0],
        )


def _listed(folder: Path) -> set[str]:
    try:
        listed = json.loads((folder / LIST_NAME).read_text("utf-8"))
        return {LIST_NAME, *map(str, listed["files"])}
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _replace(folder: Path, part: Path) -> None:
    """Put the new folder where the old one is; a reader finds the one or the other."""
    if not folder.exists():
        part.rename(folder)
        return
    old = part.with_suffix(".old")
    folder.rename(old)
    try:
        part.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


class _Site:
    """The files of one site as they are written."""

    def __init__(
        self,
        folder: Path,
        levels: Sequence[Level],
        sections: Sequence[Section],
        points: Points | None,
        options: PageOptions,
        adoptions: Sequence[DrawnAdoption],
    ) -> None:
        self._folder = folder
        self._cuts = [Cut(level) for level in levels]
        self._sections = sections
        self._points = points
        self._options = options
        self._audits = Audits(levels, adoptions)
        self._files: dict[str, int] = {}
        self._shared: dict[str, Any] | None = None
        self._assets: dict[str, str] = {}
        self._names_file = ""
        basemap = options.basemap
        self._beneath = basemap.for_site(self._put) if basemap else Beneath()
        if len(sections) > 1:
            self._names_file = self._put_hashed("names", "js", _names(levels, sections))

    def write(self, section: Section) -> None:
        """Write one page, and the files of the results that it does not show first."""
        results = self._cuts[section.level].to(section.codes)
        budget = VERTEX_BUDGET if section.number else FIRST_PAGE_VERTICES
        points = _points_within(self._points, results[0].geometry)
        adoptions = self._audits.on(section)
        data, packs = page_data(results, points, adoptions=adoptions, vertex_budget=budget)
        if self._shared is None:
            self._share(data)
        root = "../" if section.number else ""
        own = own_data(data, self._titled(section)) | {"basemap": self._beneath.data}
        own["site"] = {
            "root": root,
            "packs": f"data/{section.number}-",
            "names": self._names_file,
            "place": section.place,
            "here": section.title,
            "inside": section.inside,
            "titles": {number: self._sections[number].title for number in section.inside.values()},
            "beside": section.beside,
        }
        for index, pack in enumerate(packs[FIRST_PACKS:], start=FIRST_PACKS):
            name = f"pack-{index}"
            self._put(f"data/{section.number}-{name}.js", f'packArrived("{name}", "{pack}");\n')
        page = fill_page(
            page_title(self._titled(section).title),
            policy=POLICY.format(images=self._beneath.images),
            styles=f'<link rel="stylesheet" href="{root}{self._assets["style"]}">',
            data=data_block(own) + "\n" + pack_blocks(packs[:FIRST_PACKS]),
            scripts="\n".join(
                f'<script src="{root}{self._assets[name]}"></script>'
                for name in ("shared", "script")
            ),
        )
        self._put(_file_of(section.number), page)

    def finish(self) -> Written:
        """Write the list of files, and give what was written."""
        first = sum(self._files[name] for name in ("index.html", *self._assets.values()))
        listed = {"files": sorted(self._files), "pages": len(self._sections)}
        self._put(LIST_NAME, json.dumps(listed, indent=1) + "\n")
        return Written(
            pages=len(self._sections),
            files=len(self._files),
            size_bytes=sum(self._files.values()),
            first_page_bytes=first,
        )

    def _share(self, data: Mapping[str, Any]) -> None:
        self._shared = shared_data([data], self._options)
        code: Code = page_code(self._options)
        shared = f"window.phusongShared = {data_json(self._shared)};\n"
        self._assets = {
            "style": self._put_hashed("page", "css", "\n".join(code.styles)),
            "shared": self._put_hashed("shared", "js", shared),
            "script": self._put_hashed("page", "js", "\n".join(code.scripts)),
        }

    def _titled(self, section: Section) -> PageOptions:
        title = " – ".join(filter(None, (section.title, self._options.title)))
        if not section.number:
            return replace(self._options, title=title or None)
        # A part of the country opens at itself.
        return replace(self._options, title=title or None, home=None, insets=())

    def _put_hashed(self, name: str, kind: str, text: str) -> str:
        """Write a file under a name that changes with its content, so that caches stay true."""
        digest = hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]
        return self._put(f"assets/{name}-{digest}.{kind}", text)

    def _put(self, name: str, text: str | bytes) -> str:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = text.encode("utf-8") if isinstance(text, str) else text
        path.write_bytes(content)
        self._files[name] = len(content)
        return name


def _file_of(number: int) -> str:
    """Give a page's file: a number, because a code may hold anything."""
    return f"areas/{number}.html" if number else "index.html"


def _names(levels: Sequence[Level], sections: Sequence[Section]) -> str:
    """Give what the search needs of areas on other pages: name, code, what it lies in, page."""
    names = [level.names() for level in levels]
    rows = [
        [names[section.level][code], code, section.title or "", section.number]
        for section in sections
        if section.number
        for code in section.codes
    ]
    return f"namesArrived({data_json(rows)});\n"


def _points_within(points: Points | None, frame: "GeoDataFrame") -> Points | None:
    """Give the points that lie in some areas; None where there is none."""
    if points is None:
        return None
    drawn = shapely.points(points.lon, points.lat)
    found, _ = shapely.STRtree(drawn).query(frame.geometry.to_numpy(), predicate="intersects")[::-1]
    within = np.unique(found)
    if not within.size:
        return None
    chosen = {
        name: [getattr(points, name)[index] for index in within]
        for name in ("lon", "lat", "ok", "simulated")
    }
    return SimpleNamespace(
        **chosen, measured_total=points.measured_total, simulated_total=points.simulated_total
    )
