"""Why a call of a pipeline is computed in full, and what it cannot do, in words for users."""

DISABLED = "it was disabled within the call"
REPLACED = "a part of the pipeline was replaced within its call"
COPIED_SCHEDULER = (
    "the pipeline makes a copy of its scheduler for a second stream or for single frames, and "
    "steps that a copy takes are not followed"
)
OTHER_SCHEDULER = (
    "the pipeline takes steps with another scheduler too, for a second stream or for single "
    "frames, and those are not followed"
)
OTHER_THREAD = "the pipeline calls its parts from other threads, which cannot be followed"
GRADIENTS = (
    "gradients are taken through the network, and a skipped step has none; without them, call the "
    "pipeline under torch.no_grad()"
)
UNUSUAL_STEP = "the scheduler's step is not given a velocity and latents as tensors"
NOT_EULER = (
    "the scheduler's later steps are not Euler's, though its first is; the next call is followed "
    "without corrections"
)
NO_PROBE = (
    "the policy needs a probe, and {} has none: every step is computed. Give it one in the hook "
    "`fastflow_probes`."
)
NO_STEP = "the scheduler of the pipeline took no step after the network calls"
NO_RUN = "the pipeline took no step with its scheduler and transformer"
OUTSIDE = (
    "the pipeline used its parts outside of a call of pipe(...) that is followed: in another "
    "method, in a generator or a coroutine that it returned, or in a call that began before "
    "enable(). Nothing is skipped there, and nothing is counted."
)
NO_PICKLE = (
    "a pipeline cannot be pickled while fastflow is enabled on it: what is learned belongs to "
    "this process. Call disable() first; `memory.save(FILE)` keeps what was learned."
)
LATE = (
    "guidance, or what else the velocity depends on, changed at steps {} and was seen late; the "
    "next call computes them"
)
