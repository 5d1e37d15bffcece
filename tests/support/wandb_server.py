"""Stands in for W&B's server, as far as `wandb sweep` and `wandb agent` ask it."""

import itertools
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import yaml

SWEEP = "abcd1234"


class SweepServer(BaseHTTPRequestHandler):
    """Keeps one sweep, and hands its grid out run by run."""

    def log_message(self, *_):
        """Prints nothing."""

    def do_GET(self):
        self._answer({})

    def do_POST(self):
        self.server.state["asked"].append(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/graphql":
            self._answer({})
            return
        asked = json.loads(body)
        self._answer({"data": self._data(asked["query"], asked.get("variables") or {})})

    def _data(self, query, variables):
        state = self.server.state
        if "UpsertSweep" in query:
            state["config"] = variables["config"]
            own = {"sweep": self._sweep(), "configValidationWarnings": []}
            return {"upsertSweep": own}
        if "SweepWithRuns" in query:
            return {"project": {"sweep": self._sweep() | {"runs": {"edges": []}}}}
        if "CreateAgent" in query:
            state["left"] = list(grid(yaml.safe_load(state["config"])["parameters"]))
            return {"createAgent": {"agent": {"id": "agent"}}}
        if "Heartbeat" in query:
            commands = self._next(json.loads(variables["runState"]))
            own = {"agent": {"id": "agent"}, "commands": json.dumps(commands)}
            return {"agentHeartbeat": own}
        return {"viewer": {"id": "u", "username": "me", "entity": "me", "teams": {"edges": []}}}

    def _sweep(self):
        own = {"id": "id", "name": SWEEP, "method": "grid", "state": "RUNNING"}
        project = {"id": "p", "name": "fastflow", "entity": {"id": "e", "name": "me"}}
        return own | {"config": self.server.state["config"], "project": project}

    def _next(self, running):
        """Returns what the agent is to do: nothing while a run is in progress."""
        state = self.server.state
        if running:
            return []
        if not state["left"]:
            return [{"type": "exit"}]
        args = {name: {"value": value} for name, value in state["left"].pop(0).items()}
        state["runs"] += 1
        run = {"type": "run", "run_id": f"run{state['runs']}", "program": "fastflow"}
        return [run | {"args": args}]

    def _answer(self, content):
        data = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def grid(parameters):
    """Yields every combination of the values of a sweep's parameters."""
    values = [one.get("values") or [one["value"]] for one in parameters.values()]
    for chosen in itertools.product(*values):
        yield dict(zip(parameters, chosen, strict=True))


@contextmanager
def serving():
    """Serves on a free port of this machine.

    Yields:
        The environment of W&B's commands, and the list of what was asked for.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), SweepServer)
    server.state = {"runs": 0, "asked": []}
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        own = {"WANDB_API_KEY": "0" * 40, "WANDB_ENTITY": "me"}
        own |= {"WANDB_BASE_URL": f"http://127.0.0.1:{server.server_port}"}
        yield own, server.state["asked"]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
