"""What a content is before anyone knows its tool: a table of some kind, or documents."""

from collections.abc import Iterator

from .dbase import DbaseTable, is_dbase, read_dbase_columns, read_dbase_rows
from .documents import Documents, looks_like_documents, read_documents, read_shapes
from .geopackage import GeoTable, is_database, read_table_rows, read_tables
from .interface import Row
from .openers import Content
from .parquet import ParquetTable, is_parquet, read_parquet_columns, read_parquet_rows
from .table import BadRow, Header, read_header, read_rows

Layout = Header | Documents | GeoTable | ParquetTable | DbaseTable


def read_layouts(content: Content, encoding: str) -> list[tuple[Content, Layout]]:
    """
    Look at the beginning of a content; give it, or each of its tables, with its layout.

    Raises
    ------
    RecordError
        If it is nothing that can be read.
    """
    if is_database(content):
        return [(part, table) for part, table in read_tables(content)]
    if is_parquet(content):
        return [(content, read_parquet_columns(content))]
    if is_dbase(content):
        return [(content, read_dbase_columns(content))]
    if encoding != "utf-16" and looks_like_documents(content):
        return [(content, read_shapes(content, encoding))]
    return [(content, read_header(content, encoding))]


def shapes_of(layout: Layout) -> tuple[tuple[str, ...], ...]:
    """Give the columns that an importer is chosen by; documents may have several sets of them."""
    return layout.shapes if isinstance(layout, Documents) else (layout.columns,)


def read_content(
    content: Content, layout: Layout, encoding: str, limit: int
) -> Iterator[Row | BadRow]:
    """Give every row of a content, or why it is none, reading at most `limit` bytes of text."""
    if isinstance(layout, Header):
        return read_rows(content, layout, encoding, limit)
    if isinstance(layout, Documents):
        return read_documents(content, encoding, limit)
    if isinstance(layout, ParquetTable):
        return read_parquet_rows(content)
    if isinstance(layout, DbaseTable):
        return read_dbase_rows(content, layout, encoding)
    return read_table_rows(content, layout)
