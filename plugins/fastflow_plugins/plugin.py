"""The components that come with fastflow: its own plugin, through the same door as any other."""

from fastflow.corrector import NoCorrection
from fastflow.directory import Jsonl
from fastflow.extrapolator import Reuse
from fastflow.hooks import hookimpl
from fastflow.reward import Fixed, Normalised, Paper
from fastflow_plugins.benchmarks.gedit import GEdit
from fastflow_plugins.benchmarks.geneval import GenEval
from fastflow_plugins.benchmarks.vbench import VBench
from fastflow_plugins.correctors.interpolate import Interpolate
from fastflow_plugins.extrapolators.polynomial import Linear, Nudge, Quadratic
from fastflow_plugins.methods.negative_control import Broken
from fastflow_plugins.methods.cache_dit import DBCache
from fastflow_plugins.methods.diffusers_caches import FirstBlockCache, MagCache, TaylorSeer
from fastflow_plugins.methods.oracle import Oracle
from fastflow_plugins.methods.skipping import Skipping
from fastflow_plugins.methods.solver import Solver
from fastflow_plugins.methods.teacache_method import TeaCacheMethod
from fastflow_plugins.metrics.brisque import Brisque
from fastflow_plugins.metrics.clip_score import ClipScore
from fastflow_plugins.metrics.clips import Clips
from fastflow_plugins.metrics.edits import Edits
from fastflow_plugins.metrics.fidelity import Fidelity
from fastflow_plugins.metrics.lpips import Lpips
from fastflow_plugins.metrics.scenes import Scenes
from fastflow_plugins.models.bagel.bagel_recipe import Bagel
from fastflow_plugins.models.flux.flux_recipe import Flux
from fastflow_plugins.models.hunyuan_video.hunyuan_video_recipe import HunyuanVideo
from fastflow_plugins.models.flux_kontext.kontext_recipe import FluxKontext
from fastflow_plugins.models.mixture import Mixture
from fastflow_plugins.observers.wandb import WandB
from fastflow_plugins.policies.epsilon_greedy import EpsilonGreedy
from fastflow_plugins.policies.equal_change import EqualChange
from fastflow_plugins.policies.never import Never
from fastflow_plugins.policies.plan import Plan
from fastflow_plugins.policies.random_arms import RandomArms
from fastflow_plugins.policies.released import Released
from fastflow_plugins.policies.static import Every, Listed, Piecewise, Uniform
from fastflow_plugins.policies.teacache import TeaCache
from fastflow_plugins.policies.ucb import UCB
from fastflow_plugins.models.diffusers.modulated_input import FluxProbe, HunyuanVideoProbe
from fastflow_plugins.executors.inline import Inline
from fastflow_plugins.executors.lightning import Lightning


@hookimpl
def fastflow_policies():
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
        "released": Released,
        "plan": Plan,
        "teacache": TeaCache,
    }


@hookimpl
def fastflow_extrapolators():
    return {"reuse": Reuse, "linear": Linear, "quadratic": Quadratic, "nudge": Nudge}


@hookimpl
def fastflow_correctors():
    return {"none": NoCorrection, "interpolate": Interpolate}


@hookimpl
def fastflow_rewards():
    return {"paper": Paper, "fixed": Fixed, "normalised": Normalised}


@hookimpl
def fastflow_adapters():
    return {
        "mixture": Mixture,
        "flux": Flux,
        "flux_kontext": FluxKontext,
        "bagel": Bagel,
        "hunyuan_video": HunyuanVideo,
    }


@hookimpl
def fastflow_probes():
    return {
        "FluxTransformer2DModel": FluxProbe,
        "HunyuanVideoTransformer3DModel": HunyuanVideoProbe,
    }


@hookimpl
def fastflow_methods():
    return {
        "skipping": Skipping,
        "solver": Solver,
        "teacache": TeaCacheMethod,
        "first_block_cache": FirstBlockCache,
        "mag_cache": MagCache,
        "taylor_seer": TaylorSeer,
        "db_cache": DBCache,
        "oracle": Oracle,
        "broken": Broken,
    }


@hookimpl
def fastflow_metrics():
    return {
        "fidelity": Fidelity,
        "scenes": Scenes,
        "edits": Edits,
        "clips": Clips,
        "lpips": Lpips,
        "clip_score": ClipScore,
        "brisque": Brisque,
    }


@hookimpl
def fastflow_benchmarks():
    return {"geneval": GenEval, "gedit": GEdit, "vbench": VBench}


@hookimpl
def fastflow_observers():
    return {"jsonl": Jsonl, "wandb": WandB}


@hookimpl
def fastflow_trainers():
    return {"lightning": Lightning, "inline": Inline}
