"""Files that somebody else may have written: read within bounds, and believed in nothing."""

from fastflow.sampling.foreign.bounded import (
    NotJSON,
    check_file,
    parse_json,
    parse_yaml,
    read_bounded,
)
from fastflow.sampling.foreign.confined import RunFile, check_inside
from fastflow.sampling.foreign.memory_file import check_memory
from fastflow.sampling.foreign.record_line import RecordLine
from fastflow.sampling.foreign.schema import (
    Count,
    Finite,
    NotNegative,
    Share,
    StepNumber,
    check_schema,
)
from fastflow.sampling.foreign.tensors_file import check_tensors

__all__ = [
    "Count",
    "Finite",
    "NotJSON",
    "NotNegative",
    "RecordLine",
    "RunFile",
    "Share",
    "StepNumber",
    "check_file",
    "check_inside",
    "check_memory",
    "check_schema",
    "check_tensors",
    "parse_json",
    "parse_yaml",
    "read_bounded",
]
