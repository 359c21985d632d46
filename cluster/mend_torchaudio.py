"""Set-up step: make torchaudio importable beside a torch without CUDA.

The registry's torchaudio wheel is linked against CUDA. Beside a CPU-only torch its import fails on libc10_cuda.so; with
the compiled libraries absent it imports as pure Python, which is all that this project uses (resample). Beside a torch
with CUDA nothing is touched.
"""

import importlib.util
from pathlib import Path

import torch

if __name__ == "__main__":
    spec = importlib.util.find_spec("torchaudio")
    if torch.version.cuda is None and spec is not None and spec.origin is not None:
        for library in Path(spec.origin).parent.joinpath("lib").glob("*.so"):
            library.unlink()
            print(f"torch has no CUDA: removed torchaudio's {library.name}, its pure Python stays")
    import torchaudio  # noqa: F401  (fails here, at set-up, rather than in a job)
