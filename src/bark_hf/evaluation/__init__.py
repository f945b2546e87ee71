"""Evaluation: sounds -> error rates, speaker similarity, anomalies, speed; and the chain stage by stage.

Knows finished models and sound files; must not know the command line. Recognisers, speaker encoders and plots need the
packages of the extra `evaluate`, which are imported when they are first used.
"""
