"""`python -m inpaint_ray` is `inpaint-ray`."""

from inpaint_ray.command_line import main

if __name__ == "__main__":
    main()
