"""
Which pages a site has, and which areas are on which.

The first page shows the level with the fewest areas. Each of its areas leads to a page with the
areas of the next level that lie in it, and so on down. An area lies in another by its
``parent_code``, over levels that have no result too; an area without a parent that is known is on
a page of its own kind, so that every area that was judged is on some page. Where only one level
was judged, its areas are shown again, larger, on a page for each parent.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..coverage.adoption_areas import counts_of
from ..coverage.summary import AreaSummary, Result
from ..data.errors import MapError
from .adoption_layer import DrawnAdoption
from .columns import DrawnResult

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

MAX_FIRST_PAGE_AREAS = 5_000
LEAST_AREAS_TO_PART = 200
ELSEWHERE = ""
MAX_LEVELS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """
    One page of a site.

    `codes` are its areas; `place` names the areas it lies in with the numbers of their pages, the
    outermost first; `inside` gives the number of the page that each area leads to. Page 0 is the
    first one. `title` names the area it shows, None for the first page. `beside` are pages of
    areas that lie in none of those shown.
    """

    number: int
    level: int
    title: str | None
    codes: tuple[str, ...]
    place: tuple[tuple[str, int], ...]
    inside: Mapping[str, int]
    beside: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Level:
    """Results over the same boundaries, with their shapes and each area's parent."""

    results: tuple[DrawnResult, ...]

    @property
    def frame(self) -> "GeoDataFrame":
        """Give the boundaries that the results share."""
        return self.results[0].geometry

    def names(self) -> dict[str, str]:
        """Give the name of each area by its code."""
        frame = self.frame
        named = frame["name"] if "name" in frame else frame["code"]
        return dict(zip(map(str, frame["code"]), map(str, named), strict=True))

    def within(self) -> list[tuple[str, str]]:
        """Give each area's code and the code of what it lies in (`ELSEWHERE` where unknown)."""
        frame = self.frame
        above = frame["parent_code"] if "parent_code" in frame else [None] * len(frame)
        return [
            (str(code), parent if isinstance(parent, str) and parent else ELSEWHERE)
            for code, parent in zip(frame["code"], above, strict=True)
        ]

    def parent_names(self) -> dict[str, str]:
        """Give the names of what areas lie in, by code."""
        frame = self.frame
        if "parent_name" not in frame or "parent_code" not in frame:
            return {}
        pairs = zip(frame["parent_code"], frame["parent_name"], strict=True)
        return {code: name for code, name in pairs if isinstance(name, str) and name}


def levels_of(results: Sequence[DrawnResult]) -> list[Level]:
    """
    Give the levels that results were judged at, the one with the fewest areas first.

    Raises
    ------
    MapError
        If there is no result over boundaries, they are of several sets of boundaries, or the
        first level has too many areas for a first page.
    """
    over = [drawn for drawn in results if drawn.result.boundary_id is not None]
    if not over:
        raise MapError(
            "a site is drawn from results over boundaries, and there is none; compute one first:"
            " phusong coverage compute --by province"
        )
    sets = {drawn.result.boundary_id for drawn in over}
    if len(sets) > 1:
        raise MapError(
            "the results are of {count} sets of boundaries, and a site shows one; name results of"
            " one set with --result",
            count=len(sets),
        )
    areas = dict.fromkeys(drawn.result.area for drawn in over)
    levels = [Level(tuple(drawn for drawn in over if drawn.result.area == area)) for area in areas]
    levels.sort(key=lambda level: len(level.frame))
    first = len(levels[0].frame)
    if first > MAX_FIRST_PAGE_AREAS:
        raise MapError(
            "{count} areas are too many for a first page (at most {most}); compute the level above"
            " them too: phusong coverage compute --by province",
            count=first,
            most=MAX_FIRST_PAGE_AREAS,
        )
    return levels


def plan_site(levels: Sequence[Level], parents: Mapping[str, str | None]) -> list[Section]:
    """
    Give the pages of a site, the first page first and each before those it leads to.

    `parents` gives the parent's code of every area of every level, those without results too.
    """
    contents = _Contents(levels, parents)
    first = _Page(level=0, title=None, codes=tuple(levels[0].names()), leads_from=())
    waiting: list[tuple[_Page, tuple[tuple[str, int], ...]]] = [(first, ())]
    sections: list[Section] = []
    while len(sections) < len(waiting):
        number = len(sections)
        page, place = waiting[number]
        here = place if page.title is None else (*place, (page.title, number))
        inside: dict[str, int] = {}
        beside: list[int] = []
        for below in contents.below(page):
            inside |= dict.fromkeys(below.leads_from, len(waiting))
            if not below.leads_from:
                beside.append(len(waiting))
            waiting.append((below, here))
        sections.append(
            Section(
                number=number,
                level=page.level,
                title=page.title,
                codes=page.codes,
                place=place,
                inside=inside,
                beside=tuple(beside),
            )
        )
    return sections


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """A page to be: areas of one level, what they lie in, and the areas that lead to it."""

    level: int
    title: str | None
    codes: tuple[str, ...]
    leads_from: tuple[str, ...]


class _Contents:
    """What lies in what."""

    def __init__(self, levels: Sequence[Level], parents: Mapping[str, str | None]) -> None:
        self._names = [level.names() for level in levels]
        self._parent_names = levels[0].parent_names()
        self._parts = _grouped(levels[0].within()) if len(levels) == 1 else {}
        self._inside: list[dict[str, list[str]]] = [{}]
        for level, known in zip(levels[1:], self._names, strict=False):
            pairs = level.within()
            self._inside.append(
                _grouped((code, _nearest(above, parents, known)) for code, above in pairs)
            )

    def below(self, page: _Page) -> Iterator[_Page]:
        """Give the pages that a page leads to."""
        if page.title is None:
            yield from self._elsewhere()
            if len(page.codes) >= LEAST_AREAS_TO_PART and len(self._parts) > 1:
                yield from self._larger()
        if page.level + 1 < len(self._inside):
            inside = self._inside[page.level + 1]
            for code in page.codes:
                if code in inside:
                    yield _Page(
                        level=page.level + 1,
                        title=self._names[page.level][code],
                        codes=tuple(inside[code]),
                        leads_from=(code,),
                    )

    def _larger(self) -> Iterator[_Page]:
        for parent, codes in self._parts.items():
            title = self._parent_names.get(parent, parent)
            yield _Page(level=0, title=title, codes=tuple(codes), leads_from=tuple(codes))

    def _elsewhere(self) -> Iterator[_Page]:
        for level, inside in enumerate(self._inside):
            if ELSEWHERE in inside:
                codes = tuple(inside[ELSEWHERE])
                yield _Page(level=level, title=ELSEWHERE, codes=codes, leads_from=())


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for code, parent in sorted(pairs):
        groups.setdefault(parent, []).append(code)
    return groups


def _nearest(above: str, parents: Mapping[str, str | None], known: Mapping[str, str]) -> str:
    """Give the nearest area above that is one of those known; a chain in a circle has none."""
    for _ in range(MAX_LEVELS):
        if above in known:
            return above
        above = parents.get(above) or ELSEWHERE
    return ELSEWHERE


class Cut:
    """Cuts a level's results to the areas of one page."""

    def __init__(self, level: Level) -> None:
        self._level = level
        self._rows: list[dict[str, list[AreaSummary]]] = []
        for drawn in level.results:
            rows: dict[str, list[AreaSummary]] = {}
            for area in drawn.result.areas:
                rows.setdefault(area.code, []).append(area)
            self._rows.append(rows)
        self._place = {code: index for index, code in enumerate(level.names())}

    def to(self, codes: Sequence[str]) -> list[DrawnResult]:
        """Give the results of some areas; what went into the whole result stays as it is."""
        frame = self._level.frame.iloc[[self._place[code] for code in codes]]
        cut = []
        for drawn, rows in zip(self._level.results, self._rows, strict=True):
            areas = tuple(area for code in codes for area in rows.get(code, ()))
            if areas:
                result: Result = replace(drawn.result, areas=areas)
                cut.append(DrawnResult(result=result, geometry=frame))
        return cut


class Audits:
    """Cuts audits of IPv6 adoption to the areas of one page."""

    def __init__(self, levels: Sequence[Level], adoptions: Sequence[DrawnAdoption]) -> None:
        keys = [level.results[0].shapes_key for level in levels]
        self._by_level = [[one for one in adoptions if one.shapes_key == key] for key in keys]
        self._elsewhere = [one for one in adoptions if one.shapes_key not in keys]

    def on(self, section: Section) -> list[DrawnAdoption]:
        """Give the audits of a page's level; those of no page's level are on the first page."""
        if not section.number:
            return [*self._by_level[section.level], *self._elsewhere]
        return [
            cut
            for whole in self._by_level[section.level]
            if (cut := _cut(whole, frozenset(section.codes))).adoption.groups
        ]


def _cut(whole: DrawnAdoption, codes: frozenset[str]) -> DrawnAdoption:
    """Give an audit of some areas only: its sums are of their hosts."""
    groups = {code: group for code, group in whole.adoption.groups.items() if code in codes}
    frame = whole.geometry
    adoption = replace(whole.adoption, groups=groups, counts=counts_of(groups.values()), outside={})
    return replace(whole, adoption=adoption, geometry=frame[frame["code"].isin(codes)])
