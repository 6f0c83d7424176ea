"""Models behind an OpenAI-compatible endpoint: address, key, requests, stored answers."""
