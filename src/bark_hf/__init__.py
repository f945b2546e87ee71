"""Bark in the style of Hugging Face Transformers."""
