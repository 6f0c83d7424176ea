"""What generative models are asked, and how their answers are cut: versioned files, ``prompts@N.toml``."""

from mafs_bench.prompts.load import DEFAULT, LETTERS, Prompt, Prompts, caption_tasks, load_prompts

__all__ = ["DEFAULT", "LETTERS", "Prompt", "Prompts", "caption_tasks", "load_prompts"]
