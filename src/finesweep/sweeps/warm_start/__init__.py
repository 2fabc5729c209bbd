"""Warm start: finished trials of earlier work, for a new study's sampler to learn from.

Earlier trials never become trials of the study. They stand beside them, in an attribute of the
study, and one place knows of them: the sampler sees them in front of the study's own through a
``view``. So they are not run, not counted, not numbered, not shown, not selected, and no pruner
compares with them.

A source (``studies``, ``experiments``, ``projects``) is read into ``found`` trials; ``fitting``
brings each into this sweep's space or says why not; ``reading`` does that for all sources, and
``keeping`` stores what came in with the study, once in its life.
"""
