"""Drawing of pages: templates, pictures, sounds."""

import io

import jinja2
import numpy as np
import pytest
import soundfile
from matplotlib.image import imread

from inpaint_ray.pages.pictures import draw_spectrograms
from inpaint_ray.pages.sounds import to_flac
from inpaint_ray.pages.templates import data_uri, render

RATE = 8_000


@pytest.fixture
def package(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a package with a page and a card, both of which ask for `name`."""
    folder = tmp_path_factory.mktemp("job")
    (folder / "a_job").mkdir()
    (folder / "a_job/__init__.py").touch()
    page = '{% extends "base.html.jinja" %}\n{% block body %}\n<p>{{ name }}</p>\n{% endblock %}\n'
    (folder / "a_job/page.html.jinja").write_text(page)
    (folder / "a_job/card.md.jinja").write_text("{{ name }}")
    monkeypatch.syspath_prepend(folder)
    return "a_job"


def test_a_page_stands_on_the_common_base_and_escapes_what_it_shows(package: str) -> None:
    page = render(package, "page.html.jinja", name="<b>&")
    assert page.startswith("<!doctype html>") and "<p>&lt;b&gt;&amp;</p>" in page
    assert render(package, "card.md.jinja", name="<b>&") == "<b>&"


def test_a_value_that_a_template_lacks_is_an_error(package: str) -> None:
    with pytest.raises(jinja2.UndefinedError, match="'name' is undefined"):
        render(package, "card.md.jinja")


def test_a_data_uri_holds_the_data() -> None:
    assert data_uri("image/png", b"\x89PNG") == "data:image/png;base64,iVBORw=="


@pytest.mark.parametrize(("count", "size"), [(1, (900, 260)), (2, (900, 460)), (3, (1100, 460)), (5, (1100, 660))])
def test_two_spectrograms_are_one_above_the_other_and_more_two_in_a_row(count: int, size: tuple[int, int]) -> None:
    signals = {f"signal {number}": np.zeros((2, RATE), dtype=np.float32) for number in range(count)}
    picture = imread(io.BytesIO(draw_spectrograms(signals, np.zeros(RATE, dtype=bool), RATE)), format="png")
    assert (picture.shape[1], picture.shape[0]) == size


def _num_red(marked: np.ndarray) -> int:
    signals = {"damaged": np.full((1, RATE), 1e-3), "restored": np.full((1, RATE), 1e-3)}
    picture = imread(io.BytesIO(draw_spectrograms(signals, marked, RATE)), format="png")
    red, green, blue = picture[..., 0], picture[..., 1], picture[..., 2]
    return int(((red > 0.7) & (green < 0.3) & (blue < 0.3)).sum())


def test_the_shortest_mark_is_seen() -> None:
    marked = np.zeros(RATE, dtype=bool)
    assert _num_red(marked) == 0
    marked[RATE // 2] = True
    assert _num_red(marked) > 2 * 4


def test_the_colours_are_those_of_the_reference() -> None:
    noise = np.random.default_rng(0).standard_normal((1, RATE))
    clean, nothing = 0.1 * noise, np.zeros(RATE, dtype=bool)
    given = draw_spectrograms({"clean": clean, "broken": 1e6 * noise}, nothing, RATE, reference="clean")
    assert given == draw_spectrograms({"clean": clean, "broken": 2e6 * noise}, nothing, RATE, reference="clean")
    assert given != draw_spectrograms({"clean": clean, "broken": 1e6 * noise}, nothing, RATE)


@pytest.mark.parametrize(("channels", "kept"), [(1, 1), (2, 2), (4, 1)])
def test_sounds_are_what_every_browser_plays(channels: int, kept: int) -> None:
    samples = np.full((channels, 96_000), 0.25, dtype=np.float32)
    samples[:, 48_000] = np.nan
    file = soundfile.SoundFile(io.BytesIO(to_flac(samples, 96_000)))
    assert (file.samplerate, file.frames, file.channels) == (48_000, 48_000, kept)
    assert (file.format, file.subtype) == ("FLAC", "PCM_16")
