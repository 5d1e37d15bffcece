"""Registers the components that come with fastflow, by the same hooks as any other plugin."""

from fastflow.integration import NoCorrection, Reuse
from fastflow.policies import Drift, Fixed, Normalised, Paper
from fastflow.registry import hookimpl
from fastflow_plugins.benchmarks import GEdit, GenEval, VBench
from fastflow_plugins.correctors import Interpolate
from fastflow_plugins.executors import Inline, Lightning
from fastflow_plugins.extrapolators import (
    Fitted,
    Linear,
    Nudge,
    Offset,
    Quadratic,
    Secant,
    Spectrum,
)
from fastflow_plugins.methods import (
    DBCache,
    FirstBlockCache,
    MagCache,
    NegativeControl,
    Oracle,
    Skipping,
    Solver,
    TaylorSeer,
    TeaCacheMethod,
)
from fastflow_plugins.methods.published import (
    BudCache,
    DPCache,
    LeMiCa,
    MeanCache,
    OptimalSteps,
)
from fastflow_plugins.methods.trained import Bespoke, NeuralSolver
from fastflow_plugins.metrics import Brisque, ClipScore, Edits, Fidelity, Lpips, Scenes, Videos
from fastflow_plugins.models import Mixture
from fastflow_plugins.models.bagel import Bagel
from fastflow_plugins.models.diffusers import FluxProbe, HunyuanVideoProbe
from fastflow_plugins.models.flux import Flux
from fastflow_plugins.models.flux_kontext import FluxKontext
from fastflow_plugins.models.hunyuan_video import HunyuanVideo
from fastflow_plugins.observers import WandB
from fastflow_plugins.policies import (
    BAG,
    UCB,
    Bounded,
    EasyCache,
    EpsilonGreedy,
    EqualChange,
    Every,
    FlowCast,
    GrowingGaps,
    Halving,
    Listed,
    Never,
    Path,
    Piecewise,
    Plan,
    RandomArms,
    Released,
    Replan,
    SeaCache,
    StepMask,
    TeaCache,
    Thompson,
    Uniform,
)


@hookimpl
def fastflow_policies() -> dict[str, type]:
    return {
        "never": Never,
        "every": Every,
        "uniform": Uniform,
        "piecewise": Piecewise,
        "equal_change": EqualChange,
        "listed": Listed,
        "random_arms": RandomArms,
        "ucb": UCB,
        "epsilon_greedy": EpsilonGreedy,
        "thompson": Thompson,
        "path": Path,
        "released": Released,
        "plan": Plan,
        "replan": Replan,
        "halving": Halving,
        "bounded": Bounded,
        "teacache": TeaCache,
        "seacache": SeaCache,
        "easycache": EasyCache,
        "flowcast": FlowCast,
        "bag": BAG,
        "growing_gaps": GrowingGaps,
        "step_mask": StepMask,
    }


@hookimpl
def fastflow_extrapolators() -> dict[str, type]:
    return {
        "reuse": Reuse,
        "linear": Linear,
        "quadratic": Quadratic,
        "secant": Secant,
        "nudge": Nudge,
        "fitted": Fitted,
        "offset": Offset,
        "spectrum": Spectrum,
    }


@hookimpl
def fastflow_correctors() -> dict[str, type]:
    return {"none": NoCorrection, "interpolate": Interpolate}


@hookimpl
def fastflow_rewards() -> dict[str, type]:
    return {"paper": Paper, "fixed": Fixed, "normalised": Normalised, "drift": Drift}


@hookimpl
def fastflow_models() -> dict[str, type]:
    return {
        "mixture": Mixture,
        "flux": Flux,
        "flux_kontext": FluxKontext,
        "bagel": Bagel,
        "hunyuan_video": HunyuanVideo,
    }


@hookimpl
def fastflow_probes() -> dict[str, type]:
    return {
        "FluxTransformer2DModel": FluxProbe,
        "HunyuanVideoTransformer3DModel": HunyuanVideoProbe,
    }


@hookimpl
def fastflow_methods() -> dict[str, type]:
    return {
        "skipping": Skipping,
        "solver": Solver,
        "teacache": TeaCacheMethod,
        "first_block_cache": FirstBlockCache,
        "mag_cache": MagCache,
        "taylor_seer": TaylorSeer,
        "db_cache": DBCache,
        "mean_cache": MeanCache,
        "lemica": LeMiCa,
        "dp_cache": DPCache,
        "bud_cache": BudCache,
        "optimal_steps": OptimalSteps,
        "neural_solver": NeuralSolver,
        "bespoke": Bespoke,
        "oracle": Oracle,
        "negative_control": NegativeControl,
    }


@hookimpl
def fastflow_metrics() -> dict[str, type]:
    return {
        "fidelity": Fidelity,
        "scenes": Scenes,
        "edits": Edits,
        "videos": Videos,
        "lpips": Lpips,
        "clip_score": ClipScore,
        "brisque": Brisque,
    }


@hookimpl
def fastflow_benchmarks() -> dict[str, type]:
    return {"geneval": GenEval, "gedit": GEdit, "vbench": VBench}


@hookimpl
def fastflow_observers() -> dict[str, type]:
    return {"wandb": WandB}


@hookimpl
def fastflow_executors() -> dict[str, type]:
    return {"lightning": Lightning, "inline": Inline}
