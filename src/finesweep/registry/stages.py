"""The stages a version can be in, as MLflow spells them."""

from __future__ import annotations

import difflib

from finesweep.errors import RegistryError

STAGES = ("None", "Staging", "Production", "Archived")
# Held by one version at a time, and so also an alias: models:/name@staging.
EXCLUSIVE_STAGES = ("Staging", "Production")


def canonical_stage(stage: str) -> str:
    """``stage`` as MLflow spells it, whatever its case.

    Raises:
        RegistryError: there is no such stage.
    """
    for known in STAGES:
        if known.lower() == stage.strip().lower():
            return known
    near = difflib.get_close_matches(stage.capitalize(), STAGES, n=1)
    advice = f"; did you mean {near[0]}?" if near else ""
    raise RegistryError(f"expected a stage ({', '.join(STAGES)}), received '{stage}'{advice}")
