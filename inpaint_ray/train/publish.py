"""Publication of a run after every epoch: checkpoints with a card, metrics, events, pictures, a page."""

import json
import math
import os
import tempfile
from pathlib import Path

import torch
from tensorboardX import SummaryWriter  # type: ignore[import-untyped]

from inpaint_ray import storage
from inpaint_ray.data.batches import Batch
from inpaint_ray.models.checkpoint import Checkpoint, save_checkpoint
from inpaint_ray.pages.templates import render
from inpaint_ray.train.config import TrainConfig
from inpaint_ray.train.figures import draw_curves, draw_examples
from inpaint_ray.train.state import Row, RunState, metrics_csv
from inpaint_ray.version import VERSION

EVENTS = "tensorboard/events.out.tfevents.0.inpaint_ray"
MLFLOW_URI = "MLFLOW_TRACKING_URI"


def publish_epoch(
    config: TrainConfig, state: RunState, checkpoint: Checkpoint, example: Batch, device: torch.device
) -> None:
    """Put last, best if it is the best, metrics.csv, TensorBoard's events, pictures and run.html into the run's folder.

    Args:
        config: the run.
        state: with the epoch's row as its last.
        checkpoint: of the epoch.
        example: validation patches to draw.
        device: where the checkpoint's model is.
    """
    run_uri, history = storage.join(config.output, config.name), state.history
    with tempfile.TemporaryDirectory(prefix="inpaint-") as folder:
        save_checkpoint(checkpoint, Path(folder))
        Path(folder, "README.md").write_text(_card(config, history[-1]))
        storage.publish_folder(Path(folder), storage.join(run_uri, "last"))
        if state.best() is history[-1] and math.isfinite(history[-1]["psnr"]):
            storage.publish_folder(Path(folder), storage.join(run_uri, "best"))
    storage.write_bytes(storage.join(run_uri, "metrics.csv"), metrics_csv(history).encode())
    storage.write_bytes(storage.join(run_uri, EVENTS), _events(history))
    storage.write_bytes(storage.join(run_uri, "curves.png"), draw_curves(history, config.name))
    storage.write_bytes(storage.join(run_uri, "examples.png"), draw_examples(checkpoint.model, example, device))
    storage.write_bytes(storage.join(run_uri, "run.html"), _page(config, state).encode())
    if os.environ.get(MLFLOW_URI):
        _log_to_mlflow(config, history, run_uri)


def _card(config: TrainConfig, row: Row) -> str:
    return render(
        "inpaint_ray.train", "card.md.jinja", config=config, identity=config.identity(), row=row, version=VERSION
    )


def _page(config: TrainConfig, state: RunState) -> str:
    best = state.best()
    genres = sorted(name.removeprefix("gain_") for name in best if name.startswith("gain_"))
    return render(
        "inpaint_ray.train",
        "run.html.jinja",
        config=config,
        identity=config.identity(),
        history=state.history,
        best=best,
        genres=genres,
        run_uri=storage.join(config.output, config.name),
        version=VERSION,
    )


def _events(history: list[Row]) -> bytes:
    """Return all epochs as one event file of TensorBoard's."""
    with tempfile.TemporaryDirectory(prefix="inpaint-") as folder:
        writer = SummaryWriter(folder)
        for row in history:
            for name, value in row.items():
                if math.isfinite(value):
                    writer.add_scalar(
                        name.replace("_", "/", 1) if name.startswith("gain_") else name, value, row["epoch"]
                    )
        writer.close()
        return next(Path(folder).iterdir()).read_bytes()


def _log_to_mlflow(config: TrainConfig, history: list[Row], run_uri: str) -> None:
    """Log the epoch to the MLflow server; the run's id there is kept in the run's folder."""
    import mlflow  # type: ignore[import-not-found]  # only where MLFLOW_TRACKING_URI is set; the extra `mlflow` installs it

    record = storage.join(run_uri, "mlflow.json")
    client = mlflow.MlflowClient()
    if not storage.exists(record):
        experiment = client.get_experiment_by_name("inpaint_ray")
        number = experiment.experiment_id if experiment else client.create_experiment("inpaint_ray")
        run = client.create_run(number, run_name=config.name)
        for name, value in config.identity().items():
            client.log_param(run.info.run_id, name, value)
        storage.write_bytes(record, json.dumps({"run_id": run.info.run_id}).encode())
    run_id = json.loads(storage.read_bytes(record))["run_id"]
    row = history[-1]
    for name, value in row.items():
        if math.isfinite(value):
            client.log_metric(run_id, name.replace(" ", "_").replace("/", "-"), value, step=int(row["epoch"]))
