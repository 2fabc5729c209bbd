"""The doctor: looks at everything finesweep leaves on a machine, and puts in order what it can.

``examine`` is the whole of it. Each file beside it is one kind of check: ``look`` yields what it
finds and touches nothing, ``repair``, where there is one, puts it right. Whether it did is not
believed but looked at again. A sweep that is being run is left alone by all of them.
"""

from __future__ import annotations

from finesweep.sweeps.doctor.examination import examine
from finesweep.sweeps.doctor.finding import Finding, Kind, Level
from finesweep.sweeps.doctor.place import Place

__all__ = ["Finding", "Kind", "Level", "Place", "examine"]
