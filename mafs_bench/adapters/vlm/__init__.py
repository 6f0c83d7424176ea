"""Generative vision-language models of transformers: loading, prompts, generation, scoring."""
