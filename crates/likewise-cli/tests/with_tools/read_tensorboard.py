"""Every scalar and histogram of a folder, as TensorBoard's own reader sees it, as JSON."""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

ALL = {"scalars": 0, "histograms": 0, "tensors": 0}
events = EventAccumulator(sys.argv[1], size_guidance=ALL)
events.Reload()
tags = events.Tags()
print(
    json.dumps(
        {
            "scalars": {
                tag: [[event.step, event.value] for event in events.Scalars(tag)]
                for tag in tags["scalars"]
            },
            "histograms": {
                tag: [[event.step, event.histogram_value.num] for event in events.Histograms(tag)]
                for tag in tags["histograms"]
            },
            "texts": {
                tag: events.Tensors(tag)[0].tensor_proto.string_val[0].decode()
                for tag in tags["tensors"]
            },
        }
    )
)
