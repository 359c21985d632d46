"""Settings of searches: trials, their settings and budgets."""

from pathlib import Path

import pytest

from inpaint_ray.errors import UsageError
from inpaint_ray.models.registry import ARCHITECTURES
from inpaint_ray.train.config import Budget, Optimisation
from inpaint_ray.tune.config import TuneConfig, multiply_adds
from inpaint_ray.tune.space import Choice, Range, draw, parse_space


def config(*names: str, **changes: object) -> TuneConfig:
    return TuneConfig(data="d", output="o/", run_name="first", architectures=names, **changes)  # type: ignore[arg-type]


def test_names_families_patterns_and_all_count_once() -> None:
    assert config("all").names == tuple(ARCHITECTURES)
    assert config("UNet", "LinkNet", "UNet").names == ("UNet", "LinkNet")
    assert config("family:gap_unet").names == ("Gap_UNet", "Wiener_UNet")
    assert config("Res_UNet_v?", "Res_UNet_v2").names == ("Res_UNet_v2",)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("UNet", "Unet"), "unknown architecture 'Unet'"),
        (("family:unets",), "family:unets: give family: and one of"),
        (("*unets*",), "no architecture has such a name"),
        ((), "needs at least one name"),
    ],
)
def test_unknown_names_are_refused_before_anything_starts(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(*names)


def test_a_trial_is_a_training_whose_folder_tells_its_settings() -> None:
    plain = config("UNet", optimisation=Optimisation(learning_rate=0.01)).trial("UNet", {})
    assert (plain.output, plain.name, plain.optimisation.learning_rate) == ("o/first/trials", "UNet", 0.01)
    settings = {"learning-rate": 0.02, "ema": None, "damage": "frames+gap:5-100"}
    varied = config("UNet", optimisation=Optimisation(ema=0.9)).trial("UNet", settings)
    assert (varied.optimisation.learning_rate, varied.optimisation.ema) == (0.02, None)
    assert varied.damage == ("frames", "gap:5-100")
    assert varied.name.startswith("UNet-") and varied.name != config("UNet").trial("UNet", {"ema": None}).name


def test_every_architecture_is_trained_with_the_same_draws_and_again_the_same() -> None:
    search = config("UNet", "LinkNet", space=("learning-rate=1e-4..1e-2", "batch-size=16,58"), samples=3)
    planned = search.planned()
    assert planned == search.planned() and len(planned) == 6
    assert planned[0][1] == planned[1][1] != planned[2][1]
    assert len({search.trial(*trial).name for trial in planned}) == 6
    assert all(1e-4 <= settings["learning-rate"] <= 1e-2 for _, settings in planned)  # type: ignore[operator]


def test_a_sample_does_not_depend_on_how_many_there_are() -> None:
    space = parse_space(("learning-rate=1e-4..1e-2", "accumulate=1..8"))
    few, many = ([draw(space, 3, number) for number in range(count)] for count in (2, 5))
    assert few == many[:2]
    rates = [draw(space, 0, number)["learning-rate"] for number in range(400)]
    assert 0.4 < sum(rate < 1e-3 for rate in rates) / 400 < 0.6  # type: ignore[operator]  # log-uniform
    assert {draw(space, 0, number)["accumulate"] for number in range(400)} == set(range(1, 9))


def test_a_space_from_a_file_is_that_of_the_flags(tmp_path: Path) -> None:
    path = tmp_path / "space.yaml"
    path.write_text("learning-rate: 1e-4..3e-3\nbatch-size: [16, 58]\nema: none,0.999\nloss: mse\n")
    flags = ("learning-rate=1e-4..3e-3", "batch-size=16,58", "ema=none,0.999", "loss=mse")
    expected = {
        "learning-rate": Range(1e-4, 3e-3), "batch-size": Choice((16, 58)), "ema": Choice((None, 0.999)),
        "loss": Choice(("mse",)),
    }  # fmt: skip
    assert parse_space((str(path),)) == parse_space(flags) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": ("momentum=0.9",)}, "--space momentum: no such setting; give some of batch-size"),
        ({"space": ("learning-rate=3e-3..1e-4",)}, "a range is LOW..HIGH"),
        ({"space": ("learning-rate",)}, "give each setting once"),
        ({"space": ("ema=0.5,1.5",)}, "--ema is a decay between 0 and 1"),
        ({"space": ("damage=frames,hail",)}, "--damage hail"),
        ({"samples": 2}, "need a --space"),
        ({"same": "multiply-adds"}, "needs --patches-per-epoch"),
        ({"max_concurrent": 0}, "--max-concurrent must be at least 1"),
    ],
)
def test_a_mistake_is_named_before_anything_starts(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config("UNet", **changes)


def test_a_space_file_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="nothing.yaml"):
        config("UNet", space=("nothing.yaml",))


def test_the_same_multiply_adds_means_fewer_patches_for_the_larger() -> None:
    search = config("UNet_Sun", "UNet_v2", same="multiply-adds", budget=Budget(patches_per_epoch=10_000))
    spent = [search.trial(name, {}).budget.patches_per_epoch * multiply_adds(name) for name in search.names]  # type: ignore[operator]
    assert abs(spent[0] / spent[1] - 1) < 0.02
    assert max(search.trial(name, {}).budget.patches_per_epoch or 0 for name in search.names) == 10_000


def test_what_ends_a_run() -> None:
    rows = [{"epoch": float(number), "psnr": psnr, "seconds": 40.0} for number, psnr in enumerate((1.0, 3.0, 2.0), 1)]
    assert Budget(epochs=3).why_over(rows) == "finished"
    assert Budget(epochs=9, minutes=2).why_over(rows) == "2 minutes of training"
    assert Budget(epochs=9, patience=1).why_over(rows) == "no better validation PSNR in 1 epochs"
    assert Budget(epochs=9, patience=2, minutes=3).why_over(rows) == Budget(epochs=1).why_over([]) == ""
