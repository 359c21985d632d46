"""The ranking, its sentence on the published ranks, and its files."""

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from inpaint_ray.tune.entries import Entry, pareto_front, rank
from inpaint_ray.tune.leaderboard import published_agreement, to_csv, to_markdown, write_leaderboard
from inpaint_ray.tune.search import make_asha

HISTORY = [{"patches": 100.0, "gain": 8.0}, {"patches": 100.0, "gain": 9.5}]


def entry(name: str, gain: float, **changes: object) -> Entry:
    whole = Entry(
        trial=name,
        architecture=name,
        settings={},
        parameters=433_364,
        multiply_adds=562_000_000,
        epochs=2,
        patches=200,
        psnr=42.5 + gain,
        gain=gain,
        interpolation_gain=8.5,
        nrmse=0.2,
        published_psnr=None,
        seconds=30.0,
        stopped="finished",
        history=HISTORY,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


BROKEN = entry("Broken", 0.0, epochs=0, history=[], stopped="out of memory")
ENTRIES = [entry("UNet", 7.5, published_psnr=55.77), BROKEN, entry("Gap_UNet", 9.5)]


def test_the_best_gain_is_first_and_failures_are_last() -> None:
    assert [entry.architecture for entry in rank(ENTRIES)] == ["Gap_UNet", "UNet", "Broken"]


@pytest.mark.parametrize("failed", [math.nan, -math.inf, math.inf])
def test_a_trial_whose_output_is_not_finite_wins_nowhere(tmp_path: Path, failed: float) -> None:
    bad = entry("b", failed, multiply_adds=10, published_psnr=60.0, stopped="not finite", settings={"ema": 0.9})
    entries = [entry("a", 1.0), bad, BROKEN, entry("c", 2.0)]
    assert [each.trial for each in rank(entries)][:2] == ["c", "a"]
    assert [each.trial for each in pareto_front(entries)] == ["c"]
    assert published_agreement(entries).startswith("0 of these")
    assert "nan" not in to_markdown(entries) and "inf" not in to_markdown(entries)
    write_leaderboard(str(tmp_path), "search", rank(entries))


def test_asha_stops_a_trial_whose_output_is_not_finite() -> None:
    scheduler = make_asha(epochs=9)
    decisions = []
    for name, gain in (("a", 1.0), ("b", 3.0), ("c", 2.0), ("failed", -math.inf)):
        trial = SimpleNamespace(trial_id=name)
        scheduler.on_trial_add(None, trial)
        decisions.append(scheduler.on_trial_result(None, trial, {"epoch": 1, "gain": gain}))
    assert decisions[1] == scheduler.CONTINUE and decisions[3] == scheduler.STOP


def test_the_table_says_how_far_each_is_from_interpolation() -> None:
    lines = to_markdown(rank(ENTRIES)).splitlines()[:5]
    assert len({len(line) for line in lines}) == 1
    assert "+1.00" in lines[2] and "-1.00" in lines[3] and "out of memory" in lines[4]
    assert "settings" not in lines[0]


def test_csv_has_a_line_for_each_trial() -> None:
    lines = to_csv([entry("UNet", 7.5, settings={"learning-rate": 0.001, "ema": None})]).splitlines()
    assert lines[0].startswith("rank,trial,architecture,settings,parameters,multiply_adds,epochs,")
    assert lines[1].startswith(
        '1,UNet,UNet,"learning-rate 0.001, ema none",433364,562000000,2,200,50.0,7.5,8.5,0.2,,30.0,'
    )


def test_the_front_holds_what_nothing_cheaper_beats() -> None:
    costs = {"a": (10, 8.0), "b": (20, 7.0), "c": (20, 9.0), "d": (30, 9.0), "e": (40, 9.5)}
    entries = [entry(name, gain, multiply_adds=cost) for name, (cost, gain) in costs.items()]
    assert [entry.trial for entry in pareto_front([*entries, BROKEN])] == ["a", "c", "e"]


def test_ranks_are_compared_with_the_published_ones_by_the_best_trial_of_each() -> None:
    published = {"a": 50.0, "b": 51.0, "c": 52.0, "d": 53.0}
    entries = [entry(name, 1.0 + place, published_psnr=psnr) for place, (name, psnr) in enumerate(published.items())]
    worse = entry("d", 0.5, published_psnr=53.0)
    assert "4 architectures: Spearman +1.00" in published_agreement(rank([*entries, worse]))
    backwards = [replace(entry, gain=-entry.gain) for entry in entries]
    assert "Spearman -1.00" in published_agreement(rank(backwards))
    assert published_agreement(rank(ENTRIES)).startswith("1 of these have a published PSNR")


def test_the_page_has_the_table_and_its_pictures(tmp_path: Path) -> None:
    varied = [
        replace(each, settings={"learning-rate": rate}) for each, rate in zip(ENTRIES, (0.1, 0.2, 0.3), strict=True)
    ]
    write_leaderboard(str(tmp_path), "<search>", rank(varied))
    page = (tmp_path / "leaderboard.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    links = [(tmp_path / file).read_bytes()[:4] for file in ("pareto.png", "curves.png", "settings.png")]
    assert links == [b"\x89PNG"] * 3 and "(settings.png)" in (tmp_path / "leaderboard.md").read_text()
    assert "&lt;search&gt;" in page and "learning-rate 0.3" in page and "out of memory" in page
    write_leaderboard(str(tmp_path), "failed", [BROKEN])
    assert "data:image" not in (tmp_path / "leaderboard.html").read_text()
