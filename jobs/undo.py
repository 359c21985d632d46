"""Take a restoration back: write restored files with the samples in their gaps as they came.

python jobs/undo.py --output restored --to as_they_came
python jobs/undo.py --output s3://tapes/1968-restored --name side1.wav --to s3://tapes/undone
"""

from inpaint_ray.command_line import run

if __name__ == "__main__":
    run("undo", __doc__)
