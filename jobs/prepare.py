"""Read audio from storage and write Parquet shards of spectrogram patches.

    python jobs/prepare.py --source fma_small --metadata fma_metadata/tracks.csv --output shards
    ray job submit --working-dir . -- python jobs/prepare.py --source s3://fma/fma_small \
        --metadata s3://fma/fma_metadata/tracks.csv --output s3://fma/shards
"""

from inpaint_ray.command_line import run

if __name__ == "__main__":
    run("prepare", __doc__)
