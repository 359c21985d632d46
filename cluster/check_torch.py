"""Set-up step of the image: see that torch is the build that is meant, and that --compile will work where it is CUDA's.

    python cluster/check_torch.py cuda|cpu

CUDA 13.0 needs NVIDIA's driver 580 or later (CUDA Toolkit 13.0 Release Notes, "CUDA Driver"). A build has no GPU:
--compile is tried on the CPU, with g++ for inductor's kernels; for Triton's launchers gcc must find Python.h.
"""

import subprocess
import sys
import sysconfig

import torch

CUDA = {"cuda": "13.0", "cpu": None}  # as torch.version.cuda has it; Dockerfile and README.md say the driver


def check(variant: str) -> None:
    """Exit with one line where the image would not do."""
    if torch.version.cuda != CUDA[variant]:
        raise SystemExit(f"torch {torch.__version__} is for CUDA {torch.version.cuda}, {variant} needs {CUDA[variant]}")
    if variant == "cpu":
        return
    headers = sysconfig.get_path("include")
    source = b"#include <Python.h>\nint main(void) { return 0; }"
    subprocess.run(["gcc", "-fsyntax-only", "-x", "c", f"-I{headers}", "-"], input=source, check=True)
    compile_on_cpu()


def compile_on_cpu() -> None:
    """Compile a function and compare its result.

    Raises:
        torch._dynamo.exc.BackendCompilerFailed: there is no compiler, or it lacks something.
    """
    numbers = torch.arange(8.0)
    compiled = torch.compile(lambda values: values.sin() * 2)
    torch.testing.assert_close(compiled(numbers), numbers.sin() * 2)


if __name__ == "__main__":
    check(sys.argv[1])
    print(f"torch {torch.__version__}, CUDA {torch.version.cuda}")
