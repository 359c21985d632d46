"""Train several architectures with Ray Tune and rank them.

    python jobs/tune.py --data shards --output runs --architectures Gap_UNet UNet_v2 LinkNet --epochs 5
    ray job submit --working-dir . -- python jobs/tune.py --data s3://fma/shards --output s3://fma/runs \
        --architectures all --epochs 20 --max-concurrent 8 --use-gpu
"""

from inpaint_ray.command_line import run

if __name__ == "__main__":
    run("tune", __doc__)
