"""Take the lost samples of every recording from other copies of it, fill what all have lost, and write a report.

    python jobs/merge.py --input tapes --copies second_transfer --output merged
    ray job submit --working-dir . -- python jobs/merge.py --input s3://tapes/a --copies 's3://tapes/b/{stem}_b.*' \
        --output s3://tapes/merged
"""

from inpaint_ray.command_line import run

if __name__ == "__main__":
    run("merge", __doc__)
