"""Score checkpoints on prepared shards, or methods on clean audio into which gaps are cut, beside baselines.

    python jobs/evaluate.py --data shards --checkpoint runs/Gap_UNet/best runs/UNet_v2/best --output results
    python jobs/evaluate.py --data music --checkpoint runs/Gap_UNet/best --damage packets:20 gap:50 --output results
    ray job submit --working-dir . -- python jobs/evaluate.py --data s3://fma/shards \
        --checkpoint s3://fma/runs/UNet_v2/best --output s3://fma/results --use-gpu
"""

from inpaint_ray.command_line import run

if __name__ == "__main__":
    run("evaluate", __doc__)
