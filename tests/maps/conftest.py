"""What the tests of maps may ask for; each noun has a file of its own."""

from .basemaps import make_tile as make_tile
from .basemaps import tile_folder as tile_folder
from .basemaps import write_pmtiles as write_pmtiles
from .browsing import axe as axe
from .browsing import browser as browser
from .browsing import look_for_barriers as look_for_barriers
from .browsing import open_page as open_page
from .browsing import open_site as open_site
from .results import four_verdicts as four_verdicts
from .results import make_area as make_area
from .results import make_points as make_points
from .results import make_result as make_result
from .results import squares as squares
