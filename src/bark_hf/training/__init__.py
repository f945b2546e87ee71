"""Training: prepared data, examples and labels per stage, recipes, Trainer set-up.

Importing this package loads nothing heavy: each part is imported where it is used.
"""
