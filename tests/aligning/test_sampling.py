import numpy as np

from inpaint_ray.aligning.sampling import gather, lowering, sample_at
from tests.support.copies import in_blocks


def test_a_tone_is_interpolated_between_its_samples_90_db_down() -> None:
    place = np.arange(4000.0)
    tone = np.sin(0.7 * np.pi * place)[None]
    at = np.linspace(100, 3900, 5001) + 0.123
    made = sample_at(tone, at)[0]
    assert np.abs(made - np.sin(0.7 * np.pi * at)).max() < 3e-5


def test_positions_on_samples_give_them_and_those_outside_nothing() -> None:
    noise = np.random.default_rng(0).standard_normal((2, 500))
    np.testing.assert_allclose(sample_at(noise, np.arange(500.0)), noise, atol=1e-9)
    assert not sample_at(noise, np.array([-100.0, 700.0])).any()


def test_a_lowered_rate_keeps_no_tone_above_its_nyquist_frequency() -> None:
    tone = np.sin(0.6 * np.pi * np.arange(8000.0))[None]
    lowered = sample_at(tone, np.arange(200, 7800, 2.0), lowering(2.0, 1.0))
    assert np.abs(lowered).max() < 1e-3


def test_excerpts_of_a_stream_are_those_of_the_whole_and_zero_outside() -> None:
    samples = np.random.default_rng(1).standard_normal((2, 10_000))
    spans = [(9_000, 10_500), (-20, 30), (4_000, 8_000), (4_500, 4_600), (10_500, 10_900)]
    padded = np.concatenate([np.zeros((2, 100)), samples, np.zeros((2, 1000))], axis=1).mean(axis=0)
    excerpts = gather(in_blocks(samples, 777)(), spans, lambda _, sound: sound)
    for excerpt, (start, stop) in zip(excerpts, spans, strict=True):
        np.testing.assert_allclose(excerpt, padded[start + 100 : stop + 100], atol=1e-6)
