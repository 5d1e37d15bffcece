"""Measuring, scoring, comparing and observing samples."""

from fastflow.evaluation.benchmark import Benchmark, Item, Score, Total
from fastflow.evaluation.measurement import Measurement, SampleRow
from fastflow.evaluation.method import Bench, Knob, Learned, Method, turn
from fastflow.evaluation.metric import Metric
from fastflow.evaluation.observer import FinishedRun, Observer, ObserverSession

__all__ = [
    "Bench",
    "Benchmark",
    "FinishedRun",
    "Item",
    "Knob",
    "Learned",
    "Measurement",
    "Method",
    "Metric",
    "Observer",
    "ObserverSession",
    "SampleRow",
    "Score",
    "Total",
    "turn",
]
