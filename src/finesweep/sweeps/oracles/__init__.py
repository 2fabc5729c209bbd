"""KerasTuner's search algorithms, its oracles, as samplers of an Optuna study.

An oracle is built for every question from the trials of the study, and thrown away: it has no state
of its own that could be lost, or differ from the study. ``rungs`` and ``continuing`` know
Hyperband's records and load nothing; the others import KerasTuner, and with it Keras and
TensorFlow, so they are imported where a sweep has such a sampler and nowhere else.
"""
