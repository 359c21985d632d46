"""Train one architecture with Ray Train.

    python jobs/train.py --data shards --output runs --architecture Gap_UNet --num-workers 2
    ray job submit --working-dir . -- python jobs/train.py --data s3://fma/shards --output s3://fma/runs \
        --architecture UNet_v2 --num-workers 8 --use-gpu
"""

from inpaint_ray.command_line import run

if __name__ == "__main__":
    run("train", __doc__)
