"""Writes event files as tensorboardX and TensorBoard's own writer do: write_events.py FOLDER"""

import os
import sys

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
from tensorboard.plugins.histogram.summary_v2 import histogram_pb
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboardX import SummaryWriter

root = sys.argv[1]
START = 1_700_000_000


def hparams(content):
    """A summary of the hparams plugin."""
    value = Summary.Value(tag="_hparams_/x")
    value.metadata.plugin_data.plugin_name = "hparams"
    value.metadata.plugin_data.content = content.SerializeToString()
    return Event(wall_time=START, summary=Summary(value=[value]))


# As PyTorch and tensorboardX write: simple values, hyperparameters in a folder below.
for lr, steps in ((0.5, 5), (0.25, 3)):
    writer = SummaryWriter(os.path.join(root, "torch", "runs", f"lr{lr}"))
    for step in range(1, steps + 1):
        writer.add_scalar("val/loss", lr / step, step, walltime=START + 10 * step)
        writer.add_scalar("acc", float("nan") if step == 2 else step, step, walltime=START + 10 * step)
        writer.add_scalar("batch/loss", 0.5, step * 100, walltime=START + 10 * step + 3)
        writer.add_histogram("weights", [1, 2, 3], step)
        writer.add_text("note", "hello", step)
    writer.add_hparams({"lr": lr, "opt": "sgd", "nesterov": True}, {"final": 1.0}, name="hp")
    writer.close()

# As TensorFlow 2 and Keras write: tensors, parts of a run in folders of their own, the run's end with its hyperparameters.
for name, status in (("one", api_pb2.STATUS_SUCCESS), ("two", api_pb2.STATUS_FAILURE)):
    for part, factor in (("train", 1), ("validation", 2)):
        writer = EventFileWriter(os.path.join(root, "keras", name, part))
        for step in range(4):
            at = START + step
            writer.add_event(Event(wall_time=at, step=step, summary=scalar_pb("epoch_loss", factor * (4 - step))))
            writer.add_event(Event(wall_time=at, step=step, summary=histogram_pb("weights", [1.0, 2.0])))
        writer.close()
    writer = EventFileWriter(os.path.join(root, "keras", name))
    start = plugin_data_pb2.SessionStartInfo()
    start.hparams["units"].number_value = 32
    start.hparams["activation"].string_value = "relu"
    writer.add_event(hparams(plugin_data_pb2.HParamsPluginData(session_start_info=start)))
    end = plugin_data_pb2.SessionEndInfo(status=status)
    writer.add_event(hparams(plugin_data_pb2.HParamsPluginData(session_end_info=end)))
    writer.close()
