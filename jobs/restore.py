"""Fill the gaps of every recording in an archive and write the restored archive, a manifest and a report.

    python jobs/restore.py --input archive --output restored
    ray job submit --working-dir . -- python jobs/restore.py --input s3://tapes/1968 --output s3://tapes/1968-restored \
        --checkpoint s3://fma/runs/Gap_UNet/best
"""

from inpaint_ray.command_line import run

if __name__ == "__main__":
    run("restore", __doc__)
