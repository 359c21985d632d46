"""Gaps cut into clean audio: what is lost, what the baselines make of it, and the whole job on a small folder."""

import json
import math
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from inpaint_ray import storage
from inpaint_ray.audio.damage import Damage
from inpaint_ray.audio.grid import Grid
from inpaint_ray.errors import AudioDecodeError, UsageError
from inpaint_ray.evaluate.audio import methods
from inpaint_ray.evaluate.audio import run as archive_job
from inpaint_ray.evaluate.audio.cases import Excerpt, cut, lose_columns, read_excerpt
from inpaint_ray.evaluate.audio.janssen import fill_textbook
from inpaint_ray.evaluate.audio.listening import Example, ExampleMaker, choose_examples
from inpaint_ray.evaluate.audio.run import complete
from inpaint_ray.evaluate.audio.score import HIGHEST_SNR, AudioScore, score_excerpt
from inpaint_ray.evaluate.audio.table import tabulate_cases, tabulate_folders, to_markdown, verdicts_to_markdown
from inpaint_ray.evaluate.config import EvaluateConfig
from inpaint_ray.evaluate.run import evaluate
from inpaint_ray.ledger.actors import Actors
from inpaint_ray.models.checkpoint import Checkpoint, save_checkpoint
from inpaint_ray.models.registry import build_model

RATE = 8_000


def _tones(seconds: float = 2.0) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return 0.3 * np.sin(2 * np.pi * 440 * time) + 0.2 * np.sin(2 * np.pi * 1234 * time)


def _config(**given: object) -> EvaluateConfig:
    return complete(EvaluateConfig(data="music", output="results", **given))  # type: ignore[arg-type]


@pytest.mark.parametrize(("num_columns", "num_lost"), [(1, 0), (2, 0), (3, 3), (4, 3 + 32), (12, 3 + 9 * 32)])
def test_columns_that_others_still_cover_are_recovered_exactly_and_long_runs_are_lost(
    num_columns: int, num_lost: int
) -> None:
    samples, grid = _tones(), Grid(RATE)
    frames = np.zeros(grid.num_frames(len(samples)), dtype=bool)
    frames[100 : 100 + num_columns] = True
    case = lose_columns(samples, grid, frames)
    assert case.lost.sum() == num_lost  # at 8 kHz a hop is 32 samples; three are where the window all but ends
    assert np.abs(case.known - samples)[~case.lost].max() < 1e-8
    assert np.abs(case.damaged - samples).max() > 0.05
    assert np.abs(case.damaged - samples)[~case.touched].max() < 1e-8


def test_the_same_name_and_seed_lose_the_same_samples() -> None:
    excerpt = Excerpt("a/b.wav", _tones(), RATE)
    for task, flag in (("samples", "packets:20"), ("columns", "frames"), ("columns", "gap:50")):
        one, two, other = (cut(excerpt, task, Damage.parse(flag), seed=seed) for seed in (3, 3, 4))
        assert np.array_equal(one.lost, two.lost) and not np.array_equal(one.lost, other.lost)
        assert not one.known[one.lost].any() and np.isfinite(one.known).all()


def test_textbook_janssen_restores_tones_and_leaves_known_samples() -> None:
    samples = _tones() + 1e-4 * np.random.default_rng(0).normal(size=2 * RATE)
    lost = np.zeros(len(samples), dtype=bool)
    lost[4000:4080] = lost[9000:9040] = lost[:5] = True
    filled = fill_textbook(np.where(lost, 0.0, samples), lost)
    inner = slice(4000, 4080)
    assert np.sum((filled - samples)[inner] ** 2) < 1e-3 * np.sum(samples[inner] ** 2)
    assert np.array_equal(filled[~lost], samples[~lost])
    assert not fill_textbook(np.zeros(100), np.arange(100) < 50).any()


def test_scores_of_silence_are_worked_by_hand_and_better_methods_score_better() -> None:
    excerpt = Excerpt("a/b.wav", _tones(), RATE)
    config = _config(damage=("gap:20", "frames"), methods=("silence", "autoregressive"))
    scores = {(score.task, score.method): score for score in score_excerpt(excerpt, config, None)}
    silence, filled = scores["samples", "silence"], scores["samples", "autoregressive"]
    assert silence.snr_gap == pytest.approx(0.0, abs=1e-9)
    lost_power = excerpt.samples[cut(excerpt, "samples", Damage.parse("gap:20"), seed=0).lost] ** 2
    expected = 10 * np.log10(np.sum(excerpt.samples**2) / lost_power.sum())
    assert silence.snr_file == pytest.approx(expected, abs=1e-6)
    assert filled.snr_gap > 20 and filled.lsd < silence.lsd and filled.convergence < silence.convergence
    assert filled.join_step < 1.1
    assert scores["columns", "damaged"].snr_gap < scores["columns", "autoregressive"].snr_gap <= HIGHEST_SNR


def test_what_is_silent_or_recovered_exactly_is_said_and_not_scored() -> None:
    config = _config(damage=("gap:20",), methods=("silence",), tasks=("samples",))
    (score,) = score_excerpt(Excerpt("a", np.zeros(2 * RATE), RATE), config, None)
    assert score.error == "silent where it was damaged" and not score.method
    (score,) = score_excerpt(Excerpt("a", np.full(2 * RATE, 0.5), RATE), config, None)
    assert score.error == "the same value throughout: no sound"
    (score,) = score_excerpt(Excerpt("a", _tones(0.5)[:10], RATE), config, None)
    assert score.error.startswith("nothing was lost")


def _score(name: str, method: str, snr_gap: float, lsd: float = 1.0) -> AudioScore:
    return AudioScore(
        name=name, task="samples", damage="gap:20", method=method, seconds=1.0, snr_gap=snr_gap, lsd=lsd, wall_s=0.5
    )


def test_a_method_that_does_not_beat_the_best_baseline_is_shown_as_such() -> None:
    names = [f"a/{number}" for number in range(8)]
    scores = [_score(n, "silence", 0.0) for n in names] + [_score(n, "janssen", 5.0, 2.0) for n in names]
    scores += [_score(n, "model", 4.0, 0.5 + 0.01 * k) for k, n in enumerate(names)]
    (table,) = tabulate_cases(scores)
    assert [row.speed for row in table.methods] == [2.0, 2.0, 2.0] and table.files == 8
    by_snr, by_lsd = table.verdicts
    assert (
        by_snr.comparison.other == "janssen" and by_snr.comparison.answer == "NO" and by_snr.comparison.p_value < 0.05
    )
    assert by_lsd.comparison.other == "silence" and by_lsd.comparison.answer == "yes"
    lines = verdicts_to_markdown([table]).splitlines()
    assert "NO |" in lines[2] and "yes |" in lines[3]


def test_a_method_that_failed_on_a_file_has_no_mean_and_beats_none() -> None:
    gains = {"silence": 0.0, "janssen": 1.0, "model": 9.0}
    scores = [_score(f"x/{n}", m, gains[m]) for n in range(8) for m in gains]
    scores[-1] = replace(scores[-1], error="model gave samples that are not finite", wall_s=0.0)
    (table,) = tabulate_cases(scores)
    silence, janssen, model = table.methods
    assert table.files == 8 and (silence.failed, janssen.failed, model.failed) == (0, 0, 1) and model.speed == 2.0
    assert janssen.scores["snr_gap"].mean == 1.0 and not math.isfinite(model.scores["lsd"].mean)
    assert [verdict.comparison.answer for verdict in table.verdicts] == ["NO", "NO"]
    assert "failed on 1" in to_markdown(table) and "inf" not in to_markdown(table)
    (folder,) = tabulate_folders(scores)
    assert folder.snr_gap["model"].mean == -math.inf and folder.snr_gap["janssen"].mean == 1.0


def test_a_case_in_which_a_method_failed_is_not_played() -> None:
    scores = [_score(f"x/{n}", m, float(n)) for n in range(3) for m in ("silence", "model")]
    scores[-2] = replace(scores[-2], error="silence gave samples that are not finite")
    assert [e.name for e in choose_examples(scores, "model", ["clean", "model"])] == ["x/1", "x/0"]


def test_what_a_method_gives_that_is_not_finite_is_its_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_nan(known: np.ndarray, lost: np.ndarray) -> np.ndarray:
        return np.where(lost, np.nan, known)

    monkeypatch.setattr(methods, "fill_textbook", give_nan)
    config = _config(damage=("gap:20",), methods=("janssen", "model"), tasks=("samples",), checkpoint=("any",))
    janssen, model = score_excerpt(Excerpt("a", _tones(), RATE), config, lambda magnitudes, lost: magnitudes * np.nan)
    assert janssen.error == "janssen gave samples that are not finite"
    assert model.error == "restore_magnitudes gave magnitudes that are not finite"


def test_examples_are_the_worst_the_median_and_the_best_of_each_folder() -> None:
    scores = [_score(f"{folder}/{k}", "model", float(k)) for folder in "xy" for k in range(5)] + [
        _score("z/0", "model", 7.0)
    ]
    chosen = [(e.folder, e.rank, e.snr_gap) for e in choose_examples(scores, "model", ["clean", "model"])]
    assert chosen[:3] == [("x", "best", 4.0), ("x", "median", 2.0), ("x", "worst", 0.0)]
    assert chosen[6:] == [("z", "worst", 7.0)]


def test_flags_that_do_not_go_together_are_a_wrong_usage() -> None:
    with pytest.raises(UsageError, match="columns task alone"):
        _config(damage=("frames",), tasks=("samples",))
    with pytest.raises(UsageError, match="needs --checkpoint"):
        _config(methods=("model",))
    with pytest.raises(UsageError, match="one at a time"):
        _config(checkpoint=("a", "b"))
    with pytest.raises(ValueError, match="--methods magic"):
        _config(methods=("magic",))


def test_too_short_a_file_is_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(100), RATE)
    with pytest.raises(AudioDecodeError, match="too short"):
        read_excerpt("a.wav", (tmp_path / "a.wav").read_bytes(), 1.0)


def test_visqol_where_it_is_not_installed_is_a_wrong_usage_that_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "visqol", None)  # as Python marks what cannot be imported
    soundfile.write(tmp_path / "a.wav", _tones(), RATE)
    with pytest.raises(UsageError, match=r"--visqol: .*pip install inpaint-ray\[visqol\]"):
        evaluate(EvaluateConfig(data=str(tmp_path), output=str(tmp_path / "results"), visqol=True))


def test_an_evaluation_that_is_stopped_at_its_sounds_leaves_its_tables_and_no_players(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*given: object, **named: object) -> None:
        raise KeyboardInterrupt

    soundfile.write(tmp_path / "a.wav", _tones(), RATE)
    scores = [_score("a.wav", method, 1.0) for method in ("silence", "linear")]
    monkeypatch.setattr(archive_job, "_score", lambda config, files, model: scores)
    monkeypatch.setattr(archive_job, "spread", stop)
    output = tmp_path / "results"
    with pytest.raises(KeyboardInterrupt):
        evaluate(EvaluateConfig(data=str(tmp_path), output=str(output), damage=("gap:20",), tasks=("samples",)))
    assert {path.name for path in output.iterdir()} == {"results.json", "results.md", "results.html", "scores.parquet"}
    assert json.loads((output / "results.json").read_text())["examples"] == []
    assert "<audio" not in (output / "results.html").read_text()


def test_sounds_of_earlier_evaluations_are_gone_and_half_made_ones_are_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sounds are made in this process, by what the actors run."""

    def score(config: EvaluateConfig, files: list[storage.StoredFile], model: str) -> list[AudioScore]:
        excerpts = [Excerpt(file.name, _tones(), RATE) for file in files]
        return [score for excerpt in excerpts for score in score_excerpt(excerpt, config, None)]

    def make(config: EvaluateConfig, examples: list[Example], uris: dict[str, str]) -> None:
        for example in examples:
            ExampleMaker(config)({"example": json.dumps(asdict(example)), "uri": uris[example.name]})

    def write_or_die(uri: str, data: bytes) -> None:
        if uri.endswith("/listen/000-damaged.flac"):
            raise KeyboardInterrupt
        write_bytes(uri, data)

    def contents(output: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (tmp_path / output / "listen").iterdir()}

    write_bytes = storage.write_bytes
    monkeypatch.setattr(archive_job, "_score", score)
    monkeypatch.setattr(archive_job, "_make_sounds", make)
    (tmp_path / "music").mkdir()
    soundfile.write(tmp_path / "music/a.wav", _tones(), RATE)
    config = EvaluateConfig(
        data=str(tmp_path / "music"),
        output=str(tmp_path / "results"),
        damage=("gap:20",),
        tasks=("samples",),
        methods=("linear",),
    )
    evaluate(replace(config, methods=("linear", "janssen")))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(storage, "write_bytes", write_or_die)
        evaluate(config)
    assert set(contents("results")) == {"000-clean.flac"}
    evaluate(config)
    evaluate(replace(config, output=str(tmp_path / "undisturbed")))
    assert contents("results") == contents("undisturbed")
    page = (tmp_path / "results/results.html").read_text()
    assert all(name in page for name in contents("results"))


@pytest.mark.ray
def test_a_folder_of_audio_becomes_tables_and_sounds(local_ray: None, collection: Path, tmp_path: Path) -> None:
    music = tmp_path / "music"
    for folder, source in zip(("one", "one", "two"), sorted(collection.rglob("*.mp3")), strict=False):
        (music / folder).mkdir(parents=True, exist_ok=True)
        (music / folder / f"{source.stem} & <b>.mp3").write_bytes(source.read_bytes())
    (music / "one/broken.wav").write_bytes(b"RIFF, it says")
    torch.manual_seed(0)
    save_checkpoint(Checkpoint(model=build_model("Gap_UNet"), architecture="Gap_UNet", scale=90.0), tmp_path / "best")
    config = EvaluateConfig(
        data=str(music),
        output=str(tmp_path / "results"),
        checkpoint=(str(tmp_path / "best"),),
        damage=("frames", "gap:10"),
        methods=("silence", "janssen", "model"),
        seconds=2.0,
        actors=Actors(num_actors=2),
    )
    tasks = evaluate(config)
    assert [(task.task, [case.damage for case in task.cases]) for task in tasks] == [
        ("samples", ["gap:10"]),
        ("columns", ["frames", "gap:10"]),
    ]
    record = json.loads((tmp_path / "results/results.json").read_text())
    assert record["format"] == 3 and record["task"] == "audio" and set(record["tasks"]) == {"samples", "columns"}
    assert [failed["name"] for failed in record["failed"]] == ["one/broken.wav"]
    case = record["tasks"]["columns"]["cases"][0]
    assert case["files"] == 3 and [row["method"] for row in case["methods"]][0] == "damaged"
    assert {verdict["comparison"]["method"] for verdict in case["verdicts"]} == {"model"}
    page = (tmp_path / "results/results.html").read_text()
    assert "&amp; &lt;b&gt;" in page and "<b>.mp3" not in page and "http" not in page
    for example in record["examples"]:
        sounds = {label: soundfile.read(tmp_path / "results" / name)[0] for label, name in example["sounds"]}
        assert list(sounds) == ["clean", "damaged", "janssen", "model"]
        assert len({len(samples) for samples in sounds.values()}) == 1
        assert np.abs(sounds["damaged"] - sounds["clean"]).max() > 0
        assert (tmp_path / "results" / example["picture"]).read_bytes()[:4] == b"\x89PNG"
