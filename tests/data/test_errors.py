"""Errors reach the terminal from wherever they were raised."""

import pickle

from phusong.data.errors import ConfigError, RecordError


def test_an_error_of_another_process_says_the_same() -> None:
    for error in (
        ConfigError("{file}: no column {name}", file="a.parquet", name="lat"),
        RecordError("{source}: line {line}", reason="bad_coordinate", source="a.csv", line=7),
    ):
        sent = pickle.loads(pickle.dumps(error))
        assert (type(sent), str(sent), vars(sent)) == (type(error), str(error), vars(error))
        assert sent.args == error.args
