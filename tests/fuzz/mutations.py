"""Seeded command lines: of nonsense, of what looks like it, and misspelt."""

from __future__ import annotations

import random
import re

SAMPLE = ("model=mixture", "executor=inline", "executor.progress=false", "samples=2", "steps=10")
RUN = (*SAMPLE, "metrics=[]")
COMPARISON = (
    "model=mixture",
    "samples=2",
    "tuning=2",
    "live=1",
    "pairs=0",
    "steps=10",
    "targets=[5]",
    "methods=[euler,uniform]",
    "metrics=[]",
    "converged_steps=20",
)

# What is said beside a command's words, so that it takes no time, and who is given a folder.
QUICK = {"sample": RUN, "sample -m": RUN, "compare": COMPARISON, "calibrate": SAMPLE}
WITH_OUT = ("sample", "sample -m", "compare")

# Words that mean nothing: every one of them has to be refused, in whatever company.
NONSENSE = {
    "sample": (
        "executor.device=abc",
        "executor.device=cpu:7",
        "executor.device=meta",
        "executor.dtype=int8",
        "executor=lightning executor.devices=abc",
        "executor=lightning executor.devices=0",
        "executor=lightning executor.devices=-1",
        "executor=lightning executor.devices=1000000000",
        "executor=lightning executor.num_nodes=0",
        "executor=lightning executor.num_nodes=2",
        "executor=lightning executor.strategy=abc",
        "executor=lightning executor.accelerator=abc",
        "policy.gamma=nan",
        "policy.gamma=-inf",
        "policy.gamma=1e400",
        "policy.gamma=-1",
        "policy.reward.mu=-1",
        "policy.reward.mu=nan",
        "policy.gamma=???",
        "policy.gamma={a:1}",
        "policy.gamma=[1]",
        "policy.gamma=null",
        "policy.gamma=${nope}",
        "policy.gamma=${policy.gamma}",
        "policy.gamma=${foo:1}",
        "policy.arms=[x]",
        "policy.arms=[]",
        "policy.arms=[0,-2]",
        "policy.arms=[0,9223372036854775808]",
        "policy.Gamma=1",
        "policy.REWARD.loss=mse",
        "policy.reward.LOSS=mse",
        "policy.reward=Paper",
        "policy.reward=null",
        "policy.component=5",
        "policy=UCB",
        "policy=",
        "policy=/etc/passwd",
        "policy=teacache",
        "Policy=ucb",
        "policy@x=ucb",
        "seed=-1",
        "seed=9223372036854775808",
        "seed=18446744073709551616",
        "seed=1.5",
        "seed=true",
        "samples=0",
        "samples=-1",
        "samples=9223372036854775808",
        "samples=1000000000",
        "steps=???",
        "steps=null",
        "steps=0",
        "steps=1000000000",
        "steps=1e999",
        "steps=range(1,3)",
        "steps={a:1}",
        "max_batch=0",
        "max_batch=1000000000000",
        "speedup=nan",
        "speedup=0.5",
        "speedup=2 computed_steps=5",
        "max_error=inf",
        "quality=best",
        "frozen=maybe",
        "metrics=fidelity",
        "metrics=[???]",
        "metrics=[[fidelity]]",
        "metrics=[{a:b}]",
        "metrics={a:1}",
        "metrics=null",
        "observers=[nobody]",
        "~policy",
        "~executor",
        "~steps",
        "~policy.gamma",
        "+foo=1",
        "++foo.bar=1",
        "+policy.foo=1",
        "+steps=5",
        "hydra.run.dir=x",
        "names=5",
        "names.policy=x",
        "=5",
        "==",
        "prompt=",
        "prompts=nowhere.txt",
        "image=nowhere.png prompt=x",
        "memory=nowhere.json",
        "resume=nowhere",
        "out=",
        "benchmark=geneval",
        "model.modes=0",
        "model.spread=nan",
        "model.seed=-1",
        "model.side=x",
        "corrector.order=-1",
        "a cat",
        "--nope",
        "--cfg jobs",
        "speedup=2 policy.computed_steps=4",
        "policy=uniform steps=4",
        "policy=plan steps=4",
        "metrics@x=[fidelity]",
        "method=euler",
    ),
    "sample -m": (
        "seed=0,x",
        "seed=0,",
        "seed=0,-1",
        "seed=range(0,x)",
        "seed=choice()",
        "seed=glob(*)",
        "policy=glob(zzz*)",
        "policy=ucb,nobody",
        "policy.gamma=nan,1",
        "policy.gamma=interval(0,1)",
        "steps=5,1000000000",
        "samples=0,1",
        "max_batch=shuffle(0,1)",
        "seed=0,1 seed.x=1",
        "seed=0,1 force=true",
        "seed=0,1 out=",
        "resume=nowhere",
        "resume=. seed=1",
        "hydra/launcher=nobody",
        "hydra/sweeper=nobody",
        "hydra.sweep.dir=x",
        "speedup=2,3 computed_steps=5",
        "speedup=2,3 policy.computed_steps=5",
        "+foo=1,2",
        "=1,2",
        "--cfg jobs",
    ),
    "compare": (
        "executor.device=abc",
        "executor.dtype=int8",
        "seed=-1",
        "seeds=0",
        "seeds=100000",
        "seeds=[1,1]",
        "seeds=[-1]",
        "seeds=[18446744073709551616]",
        "seeds=x",
        "executor=lightning executor.devices=0",
        "groups=5",
        "groups={paper:5}",
        "targets=[x]",
        "targets=[]",
        "targets=5",
        "targets=[1000]",
        "targets=[nan]",
        "methods=[]",
        "methods=euler",
        "methods=[nobody]",
        "method.euler.foo=1",
        "executor=nobody",
        "pairs=-1",
        "converged_steps=1000000000",
        "examples=x",
        "steps=1",
        "samples=9223372036854775808",
        "live=0",
        "~methods",
        "+foo=1",
    ),
    "calibrate": (
        "x",
        "teacache",
        "ucb",
        "equal_change teacache",
        "memory=x",
        "+memory=x",
        "equal_change samples=0",
        "equal_change steps=nan",
        "equal_change out=nowhere/x.yaml",
    ),
    "plugins": ("x", "policy x", "POLICY"),
    "pool": ("", "x", "out=x", "x out=", "x out=y oot=z"),
    "study": ("", "nowhere", ".", ". out=", ". oot=x", ". out=/dev/null"),
    "report": ("", "nowhere", "a b", "."),
    "memory": ("", "nowhere", ".", "a b"),
    "export": ("", "nowhere out=x", ". out=x", ". out=", ". oot=x"),
    "import-scores": ("", ".", ". full=x", ". full=", ". full=x replace=maybe"),
    "train-mini": ("", "x", "flux_mini foo=1", "flux_mini steps=x", "flux_mini out=", "steps=1"),
}

# What looks like nonsense and is accepted, and why.
ACCEPTED = {
    "prompt=???": "a text is taken as it is given, and three question marks are a text",
    "prompt={a:1}": "the same",
    "prompt=${nope}": "the same: nothing in a text is read as a language",
    "policy.gamma=${seed}": "a number may refer to another setting of the same command line",
    "policy=every policy=ucb": "the last of two words wins, as in shells and in Hydra",
    "samples=1": "a run of one sample learns nothing, says so, and has a report",
    "max_batch=1000000": "a batch is never larger than what is left to do",
    "policy.gamma=1e300": "finite: all steps are explored, which the report shows",
    "policy.gamma=0": "no exploration is what a bandit is compared with",
    "policy.reward.mu=0": "a skipped step may be worth nothing: nothing is skipped then",
    "seed=9223372036854775800": "the last sample's seed is still below 2^63",
    "frozen=true": "allowed with a line that says that nothing learned can be used",
    "+policy=ucb": "Hydra's form for a choice; it chooses what `policy=ucb` does",
    "policy.component=ucb": "what the name of a component says anyway",
    "reward@policy.reward=paper": "Hydra's form of `policy.reward=paper`",
}

LETTERS = "=.,[]{}()'\"\\$~+?#:@/ \t\n%&*-_xé猫\u2028\x00"


def command_line(draw: random.Random) -> tuple[list[str], bool]:
    """Returns a command line, and whether it holds nonsense that must be refused."""
    command = draw.choice(("sample",) * 5 + ("sample -m",) + ("compare",) * 2 + tuple(NONSENSE))
    own = [*command.split(), *QUICK.get(command, ())]
    if command in WITH_OUT:
        own.append("out=out")
    if command == "sample" and draw.random() < 0.12:
        return [*own, *draw.choice(list(ACCEPTED)).split()], False
    if draw.random() < 0.75:
        return [*own, *draw.choice(NONSENSE[command]).split()], True
    return [*own, _misspelt(draw, draw.choice(NONSENSE[command]))], False


def _misspelt(draw: random.Random, word: str) -> str:
    """Returns a word in which a few letters, but no digits, are others."""
    letters = list(re.sub(r"\d{3,}", "3", word).replace("lightning", "lihgtning"))
    for _ in range(draw.randint(1, 3)):
        place = draw.randrange(len(letters) + 1)
        letters[place : place + draw.randint(0, 1)] = [draw.choice(LETTERS)]
    return "".join(letters).replace("\x00", "")
