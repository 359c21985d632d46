import pytest

from inpaint_ray.restore.config import RestoreConfig


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        ({"output": " "}, "--output"),
        ({"gaps": ""}, "--gaps"),
        ({"method": "model"}, "--method"),
        ({"num_actors": 0}, "--num-actors"),
        ({"min_actors": 0}, "--min-actors"),
        ({"num_actors": 2, "min_actors": 3}, "--num-actors"),
        ({"min_gap_ms": 0}, "--min-gap-ms"),
        ({"use_gpu": True}, "--use-gpu"),
    ],
)
def test_a_value_that_cannot_work_names_its_flag(options: dict, flag: str) -> None:
    with pytest.raises(ValueError, match=flag):
        RestoreConfig(**{"input": "in", "output": "out"} | options)
