"""Copy FMA's zips into storage member by member, each checked, without unpacking them to disk.

    python jobs/stage_fma.py --zips fma_small.zip fma_metadata.zip --output fma
    ray job submit --working-dir . -- python jobs/stage_fma.py --output s3://bucket/fma \
        --zips https://os.unil.cloud.switch.ch/fma/fma_small.zip https://os.unil.cloud.switch.ch/fma/fma_metadata.zip
"""

from inpaint_ray.command_line import run

if __name__ == "__main__":
    run("stage-fma", __doc__)
