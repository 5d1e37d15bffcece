"""Models, requests, samples, and the sampler that makes samples of requests."""

from fastflow.sampling.executor import (
    AnotherFailed,
    Executor,
    Interrupted,
    Launch,
    ProcessLost,
    Terminated,
    Worker,
    check_available,
    check_device_name,
    check_dtype_name,
)
from fastflow.sampling.foreign import (
    check_file,
    check_schema,
    check_tensors,
    parse_json,
    read_bounded,
)
from fastflow.sampling.media import Video, decode_image, read_image
from fastflow.sampling.model import FlowModel, Model, ModelWrapper, Probe
from fastflow.sampling.recording import NoProbe, RecordedTrajectory, Recording
from fastflow.sampling.reference import Reference, reference_sampler
from fastflow.sampling.request import Problem, Prompt, Request
from fastflow.sampling.sample import Sample, Seconds
from fastflow.sampling.sampler import Sampler
from fastflow.sampling.storage import (
    DiskFull,
    load_memory,
    read_objects,
    read_text,
    save_memory,
    write_whole,
)

__all__ = [
    "AnotherFailed",
    "DiskFull",
    "Executor",
    "FlowModel",
    "Interrupted",
    "Launch",
    "Model",
    "ModelWrapper",
    "NoProbe",
    "Probe",
    "Problem",
    "ProcessLost",
    "Prompt",
    "RecordedTrajectory",
    "Recording",
    "Reference",
    "Request",
    "Sample",
    "Sampler",
    "Seconds",
    "Terminated",
    "Video",
    "Worker",
    "check_available",
    "check_device_name",
    "check_dtype_name",
    "check_file",
    "check_schema",
    "check_tensors",
    "decode_image",
    "load_memory",
    "parse_json",
    "read_bounded",
    "read_image",
    "read_objects",
    "read_text",
    "reference_sampler",
    "save_memory",
    "write_whole",
]
