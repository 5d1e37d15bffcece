"""Models, requests and samples, and the sampler that brings them together."""

from fastflow.sampling.executor import Interrupted, Place, Trainer
from fastflow.sampling.media import Clip, decode_image, read_image
from fastflow.sampling.model import Adapter, FlowModel, Probe, Wrapped
from fastflow.sampling.recording import NoProbe, Recording
from fastflow.sampling.reference import in_full
from fastflow.sampling.request import Problem, Prompt, Request
from fastflow.sampling.sample import Sample, Seconds
from fastflow.sampling.sampler import Sampler
from fastflow.sampling.storage import read_objects, read_text

__all__ = [
    "Adapter",
    "Clip",
    "FlowModel",
    "Interrupted",
    "NoProbe",
    "Place",
    "Probe",
    "Problem",
    "Prompt",
    "Recording",
    "Request",
    "Sample",
    "Sampler",
    "Seconds",
    "Trainer",
    "Wrapped",
    "decode_image",
    "in_full",
    "read_image",
    "read_objects",
    "read_text",
]
