"""List the least certain repairs of a restoration, and write what was there before and after each.

python jobs/show.py --output restored
python jobs/show.py --output s3://tapes/1968-restored --file side1.wav --count 50 --to listen
"""

from inpaint_ray.command_line import run

if __name__ == "__main__":
    run("show", __doc__)
