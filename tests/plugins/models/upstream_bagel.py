"""A stand-in for BAGEL's own code: its names and its order of calls, around our small network."""

import torch

from fastflow import Request


class Model(torch.nn.Module):
    """Has the methods of BAGEL's model that an image passes through."""

    def __init__(self, flow):
        super().__init__()
        self.flow, self.language_model = flow, flow.parts.network.language_model
        self.passes = 0

    @torch.no_grad()
    def generate_image(
        self,
        packed_init_noises,
        past_key_values,
        num_timesteps=24,
        timestep_shift=1.0,
        cfg_renorm_type="global",
        cfg_interval=(0, 1),
        cfg_text_scale=1.0,
        cfg_text_past_key_values=None,
        cfg_img_scale=1.0,
        cfg_img_past_key_values=None,
        enable_taylorseer=False,
    ):
        x_t = packed_init_noises
        timesteps = torch.linspace(1, 0, num_timesteps, device=x_t.device)
        timesteps = timestep_shift * timesteps / (1 + (timestep_shift - 1) * timesteps)
        dts = timesteps[:-1] - timesteps[1:]
        for i, t in enumerate(timesteps[:-1]):
            inside = t > cfg_interval[0] and t <= cfg_interval[1]
            v_t = self._forward_flow(
                x_t=x_t,
                timestep=torch.tensor([t] * x_t.shape[0], device=x_t.device),
                past_key_values=past_key_values,
                cfg_text_scale=cfg_text_scale if inside else 1.0,
                cfg_text_past_key_values=cfg_text_past_key_values,
                cfg_img_scale=cfg_img_scale if inside else 1.0,
                cfg_img_past_key_values=cfg_img_past_key_values,
            )
            x_t = x_t - v_t.to(x_t.device) * dts[i]
        return (x_t,)

    @torch.no_grad()
    def _forward_flow(
        self,
        x_t,
        timestep,
        past_key_values,
        cfg_text_scale=1.0,
        cfg_text_past_key_values=None,
        cfg_img_scale=1.0,
        cfg_img_past_key_values=None,
    ):
        def network(context):
            self.passes += 1
            return self.flow.parts.network.velocity(context, x_t, timestep[:1], self.places)

        v_t = network(past_key_values)
        text = network(cfg_text_past_key_values) if cfg_text_scale > 1.0 else None
        image = network(cfg_img_past_key_values) if cfg_img_scale > 1.0 else None
        return v_t if text is None else self.flow.guidance.combine(v_t, text, image)


class InterleaveInferencer:
    """Generates with that model, given a request's image and text."""

    def __init__(self, flow):
        self.model = Model(flow)

    def __call__(self, image=None, text=None, seed=0, num_timesteps=50, **options):
        problem = self.model.flow.prepare(Request(0, text, seed, num_timesteps - 1, image=image))
        condition, guidance = problem.conditioning, self.model.flow.guidance
        self.model.places = condition.places
        (x,) = self.model.generate_image(
            packed_init_noises=problem.x[0],
            past_key_values=condition.full,
            cfg_text_past_key_values=condition.no_text,
            cfg_img_past_key_values=condition.no_image or condition.full,
            num_timesteps=num_timesteps,
            timestep_shift=self.model.flow.recipe.shift,
            cfg_interval=guidance.interval,
            cfg_text_scale=guidance.text,
            cfg_img_scale=guidance.image,
            **options,
        )
        return {"image": self.model.flow.decode(x[None], problem), "latents": x}
