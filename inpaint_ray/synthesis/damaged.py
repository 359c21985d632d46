"""Damaged copies of a collection's test tracks, and the truth beside."""

from pathlib import Path

import numpy as np

from inpaint_ray import storage
from inpaint_ray.audio.damage import draw_gaps
from inpaint_ray.audio.decode import Recording, read_recording
from inpaint_ray.audio.encode import encode, to_integers
from inpaint_ray.fma.tracks import list_fma


def write_damaged_copy(
    collection: Path,
    output: Path,
    *,
    seed: int = 0,
    share: float = 0.02,
    min_gap_s: float = 0.01,
    max_gap_s: float = 0.06,
) -> None:
    """Write the test tracks of a collection: OUTPUT/damaged/GENRE/NNNNNN.wav or .flac, and the truth in OUTPUT/clean.

    WAV and FLAC take turns, both of 16 bits, with the track's own rate and channels. Lost samples are zero in every
    channel; every other sample of the damaged file is the clean one's, bit for bit.

    Args:
        collection: a folder written by `write_collection`.
        output: where to write; files of the same names are replaced.
        seed: same seed and collection, same gaps.
        share: of the samples to lose, about; in (0, 0.5].
        min_gap_s: the shortest gap in seconds.
        max_gap_s: the longest gap in seconds.
    """
    tracks_csv = collection / "fma_metadata" / "tracks.csv"
    listing = list_fma(str(collection / "fma_music"), str(tracks_csv), protocol="official")
    tests = [track for track in listing.tracks if track.split == "test"]
    for number, track in enumerate(tests):
        source = read_recording(storage.read_bytes(track.uri))
        lost = draw_gaps(
            source.num_samples,
            source.sample_rate,
            seed=seed * 1_000_000 + track.track_id,  # tracks of one length would share their gaps otherwise
            share=share,
            min_gap_s=min_gap_s,
            max_gap_s=max_gap_s,
        )
        clean = to_integers(source.to_float(), "PCM_16")
        container = ("WAV", "FLAC")[number % 2]
        for folder, samples in (("clean", clean), ("damaged", np.where(lost, np.int32(0), clean))):
            path = output / folder / track.genre / f"{track.track_id:06d}.{container.lower()}"
            recording = Recording(
                samples=samples, sample_rate=source.sample_rate, container=container, subtype="PCM_16"
            )
            storage.write_bytes(str(path), encode(recording))
