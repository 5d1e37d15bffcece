"""TeaCache's published rule, stated once more as a plain loop: what the code is held against.

Per step and transformer call: the modulated input of the first block, its relative L1 change since
the step before, the polynomial of that, added up; the blocks are computed, and the sum is set to
zero, once it reaches the threshold, and at the first and the last step. Otherwise their last
residual is added to the embedded latents, and the network's own head makes the output of it.
"""

import numpy as np
import torch


class Decisions:
    """The rule alone, on a series of modulated inputs."""

    def __init__(self, threshold, coefficients, steps):
        self.threshold, self.polynomial, self.steps = threshold, np.poly1d(coefficients), steps
        self.k, self.accumulated, self.previous = 0, 0.0, None

    def computes(self, modulated):
        k, previous = self.k, self.previous
        self.k, self.previous = k + 1, modulated
        if k in (0, self.steps - 1):
            self.accumulated = 0.0
            return True
        change = (modulated - previous).abs().mean() / previous.abs().mean()
        self.accumulated += self.polynomial(change.item())
        if self.accumulated < self.threshold:
            return False
        self.accumulated = 0.0
        return True


class Network:
    """A transformer that computes its blocks, or adds their last residual.

    Args:
        transformer: the network as it is.
        embed: gives of a call's arguments the embedded latents and the embedded time.
        head: makes the output of the hidden states, the embedded time and the latents.
    """

    def __init__(self, transformer, embed, head):
        self.transformer, self.embed, self.head = transformer, embed, head
        self.residuals = {}

    def modulated(self, inputs):
        hidden, time = self.embed(self.transformer, inputs)
        return self.transformer.transformer_blocks[0].norm1(hidden, emb=time)[0]

    def compute(self, branch, inputs):
        before, _ = self.embed(self.transformer, inputs)
        after = []
        with self.transformer.norm_out.register_forward_pre_hook(
            lambda module, args: after.append(args[0])
        ):
            output = self.transformer(**inputs, return_dict=False)[0]
        self.residuals[branch] = after[0] - before
        return output

    def reuse(self, branch, inputs):
        hidden, time = self.embed(self.transformer, inputs)
        hidden = hidden + self.residuals[branch]
        return self.head(self.transformer, hidden, time, inputs["hidden_states"])


def run(network, rule, x, sigmas, calls, guide):
    """Integrates from noise to data; returns x and the computed steps.

    Args:
        network: the `Network`.
        rule: its `Decisions`, made on the first call of a step.
        x: the noise.
        sigmas: of the grid.
        calls: gives the arguments of a step's calls, by x and step.
        guide: makes the velocity of their outputs.
    """
    computed = []
    for k in range(len(sigmas) - 1):
        inputs = calls(x, k)
        if rule.computes(network.modulated(inputs[0])):
            computed.append(k)
            outputs = [network.compute(i, one) for i, one in enumerate(inputs)]
        else:
            outputs = [network.reuse(i, one) for i, one in enumerate(inputs)]
        v = guide(*outputs)
        x = (x.float() + (sigmas[k + 1] - sigmas[k]) * v).to(v.dtype)
    return x, tuple(computed)


def flux_embed(transformer, inputs):
    scales = [inputs["timestep"] * 1000, inputs["guidance"] * 1000]
    time = transformer.time_text_embed(*scales, inputs["pooled_projections"])
    return transformer.x_embedder(inputs["hidden_states"]), time


def flux_head(transformer, hidden, time, latents):
    return transformer.proj_out(transformer.norm_out(hidden, time))


def hunyuan_embed(transformer, inputs):
    given = inputs["timestep"], inputs["pooled_projections"], inputs["guidance"]
    time, _ = transformer.time_text_embed(*given)
    return transformer.x_embedder(inputs["hidden_states"]), time


def hunyuan_head(transformer, hidden, time, latents):
    tokens = transformer.proj_out(transformer.norm_out(hidden, time))
    batch, _, frames, height, width = latents.shape
    p = transformer.config.patch_size
    patches = tokens.reshape(batch, frames, height // p, width // p, -1, p, p)
    return torch.einsum("bfhwcpq->bcfhpwq", patches).reshape(batch, -1, frames, height, width)
