"""A deterministic world: the pack's real money path over the simulated service, disk and clock. See `run.py`."""
