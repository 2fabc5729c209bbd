"""Engines run trials: the contract in ``_base``, and one implementation a file."""
