"""The service as tests, demo and rehearsal see it: strict, faulty on request, and it bills nobody.

It shares no code with the client. Its rules are a second reading of the documentation, on raw JSON.
"""

from __future__ import annotations

from .exchange import Exchange
from .faults import USUAL_MIX, Fault, Faults
from .jobs import MODERATED, Charge
from .simulator import Simulator

__all__ = ["MODERATED", "USUAL_MIX", "Charge", "Exchange", "Fault", "Faults", "Simulator"]
