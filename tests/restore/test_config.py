import pytest

from inpaint_ray.ledger.actors import Actors
from inpaint_ray.restore.config import RestoreConfig


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        ({"output": " "}, "--output"),
        ({"gaps": ""}, "--gaps"),
        ({"method": "model"}, "--method"),
        ({"min_gap_ms": 0}, "--min-gap-ms"),
        ({"report_excerpts": -1}, "--report-excerpts"),
        ({"actors": Actors(use_gpu=True)}, "--use-gpu"),
    ],
)
def test_a_value_that_cannot_work_names_its_flag(options: dict, flag: str) -> None:
    with pytest.raises(ValueError, match=flag):
        RestoreConfig(**{"input": "in", "output": "out"} | options)


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        ({"num_actors": 0}, "--num-actors"),
        ({"min_actors": 0}, "--min-actors"),
        ({"num_actors": 2, "min_actors": 3}, "--num-actors"),
    ],
)
def test_bounds_of_actors_that_cannot_work_name_their_flag(options: dict[str, int], flag: str) -> None:
    with pytest.raises(ValueError, match=flag):
        Actors(**options)


def test_a_pool_has_no_more_actors_than_rows() -> None:
    bounds = [
        (actors.pool(5, memory_gib=1)["compute"].min_size, actors.pool(5, memory_gib=1)["compute"].max_size)
        for actors in (Actors(), Actors(min_actors=2, num_actors=3), Actors(min_actors=8, num_actors=9))
    ]
    assert bounds == [(1, 5), (2, 3), (5, 5)]
