"""One thread enables and disables a pipeline that another calls: nothing fails or stays."""

import threading

import pytest
import torch
from tiny_pipelines.toy import ToyPipeline

import fastflow
from fastflow.acceleration import interceptors_of


@pytest.mark.parametrize("policy", ["never", "every"])
def test_a_pipeline_may_be_disabled_while_another_thread_calls_it(policy):
    pipe, over, failures = ToyPipeline(), threading.Event(), []
    untouched = pipe(num_inference_steps=12)

    def toggle():
        try:
            for _ in range(100):
                with fastflow.enable(pipe, policy):
                    over.wait(0.002)
        except Exception as error:
            failures.append(error)
        over.set()

    thread = threading.Thread(target=toggle)
    thread.start()
    while not over.is_set():
        output = pipe(num_inference_steps=12)
        assert output.isfinite().all()
        assert policy != "never" or torch.equal(output, untouched)
    thread.join()
    assert not failures
    for thing in (pipe, pipe.scheduler, pipe.transformer):
        assert not interceptors_of(thing)
    assert torch.equal(pipe(num_inference_steps=12), untouched)


def test_of_two_threads_that_enable_a_pipeline_one_is_refused():
    pipe, results = ToyPipeline(), []
    start = threading.Barrier(4)

    def enable():
        start.wait()
        try:
            results.append(fastflow.enable(pipe, "every"))
        except ValueError as error:
            results.append(str(error))

    threads = [threading.Thread(target=enable) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    refused = [one for one in results if isinstance(one, str)]
    assert len(refused) == 3
    assert all("accelerated already" in one for one in refused)
    next(one for one in results if not isinstance(one, str)).disable()
    assert not interceptors_of(pipe.scheduler)


def test_a_policy_that_needs_a_probe_says_so_in_the_warning():
    pipe = ToyPipeline()
    with fastflow.enable(pipe, "teacache") as accelerated:
        pipe(num_inference_steps=10)
    assert "the policy needs a probe, and ToyNetwork has none" in accelerated.stats.warning
