"""Run `inpaint-ray` as `python -m inpaint_ray`."""

from inpaint_ray.command_line import main

if __name__ == "__main__":
    main()
