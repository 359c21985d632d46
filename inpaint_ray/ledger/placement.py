"""Placement on a cluster: work without a GPU stays off the nodes reserved for GPU work."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ray.data

NODE_LABEL = "inpaint-ray/node"  # of a Ray node; the files of cluster/ give the value `gpu` to those with GPUs
OFF_GPU_NODES = {NODE_LABEL: "!gpu"}  # nodes without the label will do: those of a laptop, or of machines of one's own


def node_selector(*, use_gpu: bool) -> dict[str, str] | None:
    """Return Ray's label selector for processes that use a GPU each, or none."""
    return None if use_gpu else OFF_GPU_NODES


def place(dataset: "ray.data.Dataset", *, use_gpu: bool = False) -> "ray.data.Dataset":
    """Keep a dataset's tasks and actors off the nodes reserved for GPU work, unless each uses a GPU.

    Ray Data asks the autoscaler for nodes by throughput, without a limit; the autoscaler merely prefers nodes without
    GPUs as long as it may add some. The selector goes with every task, actor and request of the dataset.
    """
    dataset.context.execution_options.label_selector = node_selector(use_gpu=use_gpu)
    return dataset
