"""The ranking, and what a search asks for."""

import pytest

from inpaint_ray.models.registry import ARCHITECTURES
from inpaint_ray.train.config import Optimisation
from inpaint_ray.tune.config import TuneConfig
from inpaint_ray.tune.leaderboard import Entry, rank, to_csv, to_markdown

ENTRIES = [
    Entry("UNet", 18_872_545, 2, 50.0, 7.5, 8.5, 0.3, 100.0, "finished"),
    Entry("Broken", 1, 0, 0.0, 0.0, 0.0, 0.0, 0.0, "out of memory"),
    Entry("Gap_UNet", 433_364, 2, 52.0, 9.5, 8.5, 0.2, 30.0, "finished"),
]


def test_the_best_gain_is_first_and_failures_are_last() -> None:
    assert [entry.architecture for entry in rank(ENTRIES)] == ["Gap_UNet", "UNet", "Broken"]


def test_the_table_says_how_far_each_is_from_interpolation() -> None:
    lines = to_markdown(rank(ENTRIES)).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "+1.00" in lines[2] and "-1.00" in lines[3] and "out of memory" in lines[4]


def test_csv_has_a_line_for_each_trial() -> None:
    assert to_csv(ENTRIES).splitlines()[1] == "1,UNet,18872545,2,50.0,7.5,8.5,0.3,100.0,finished"


def test_all_means_every_architecture_and_names_count_once() -> None:
    assert TuneConfig(data="d", output="o", architectures=("all",)).names == tuple(ARCHITECTURES)
    assert TuneConfig(data="d", output="o", architectures=("UNet", "LinkNet", "UNet")).names == ("UNet", "LinkNet")


def test_an_unknown_name_is_refused_before_anything_starts() -> None:
    with pytest.raises(ValueError, match="unknown architecture 'Unet'"):
        TuneConfig(data="d", output="o", architectures=("UNet", "Unet"))


def test_a_trial_is_a_training_of_that_name() -> None:
    config = TuneConfig(
        data="d", output="o/", architectures=("UNet",), run_name="first", optimisation=Optimisation(learning_rate=0.01)
    )
    trial = config.trial("UNet")
    assert (trial.output, trial.name, trial.optimisation.learning_rate) == ("o/first/trials", "UNet", 0.01)
