"""BAGEL: text to image and edits, on transformers' Qwen2 and SigLIP and diffusers' autoencoder."""
