"""Take a restoration back: write restored files with the samples in their gaps as they came.

python jobs/undo.py --output restored --to as_they_came
python jobs/undo.py --output s3://tapes/1968-restored --name side1.wav --to s3://tapes/undone
"""

from inpaint_ray.command_line import run
from inpaint_ray.restore.undo import UndoConfig, undo

if __name__ == "__main__":
    run(UndoConfig, undo, __doc__, with_ray=False)
