"""Reads what an offline run of W&B holds: the records of its ``.wandb`` file.

The file is a log of LevelDB: blocks of 32 KiB with chunks of checksum, length and type, after a
header of seven bytes. W&B's own reader is part of its Go program since 0.31.
"""

import json
import struct
from collections import defaultdict
from pathlib import Path

import wandb
from wandb.proto.wandb_internal_pb2 import Record

BLOCK, HEADER, HEAD = 32 * 1024, 7, 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


class OfflineRun:
    """What was logged to an offline run.

    Attributes:
        records: the records, by their type.
    """

    def __init__(self, path):
        self.records = defaultdict(list)
        for data in _chunks(path.read_bytes()):
            record = Record.FromString(data)
            kind = record.WhichOneof("record_type")
            self.records[kind].append(getattr(record, kind))

    @property
    def run(self):
        """The run: id, group, job type, tags."""
        return self.records["run"][0]

    @property
    def config(self):
        """The settings that it began with."""
        return {item.key: json.loads(item.value_json) for item in self.run.config.update}

    @property
    def history(self):
        """What was logged, a mapping for each call."""
        return [
            {
                item.key or ".".join(item.nested_key): json.loads(item.value_json)
                for item in line.item
            }
            for line in self.records["history"]
        ]

    @property
    def summary(self):
        """The last value of each entry of the summary that was set."""
        found = {}
        for record in self.records["summary"]:
            for item in record.update:
                name = item.key or ".".join(item.nested_key)
                found[name] = json.loads(item.value_json)
        return found

    @property
    def metrics(self):
        """The definitions of metrics, by name."""
        return {record.name or record.glob_name: record for record in self.records["metric"]}

    def table(self, name):
        """Returns the columns and the data of a table, whose cells may hold images."""
        (own,) = [
            entry
            for record in self.records["artifact"]
            for entry in record.manifest.contents
            if entry.path == f"{name}.table.json"
        ]
        content = json.loads(Path(own.local_path).read_text())
        return content["columns"], content["data"]

    @property
    def artifacts(self):
        """The files of each artifact, by its type and name."""
        return {
            (record.type, record.name): sorted(entry.path for entry in record.manifest.contents)
            for record in self.records["artifact"]
        }


def offline_runs(folder):
    """Returns the offline runs below a folder, in the order in which they began."""
    wandb.teardown()  # ends W&B's process, which writes the rest
    files = sorted(folder.glob("wandb/offline-run-*/*.wandb"), key=lambda p: p.stat().st_mtime)
    return [OfflineRun(path) for path in files]


def _chunks(content):
    """Yields the records' bytes."""
    assert content[:4] == b":W&B"
    position, whole = HEADER, b""
    while position + HEAD <= len(content):
        left = BLOCK - position % BLOCK
        if left < HEAD:  # too little for the head of a chunk: the block is padded
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, position)
        whole += content[position + HEAD : position + HEAD + length]
        position += HEAD + length
        if kind in (FULL, LAST):
            yield whole
            whole = b""
