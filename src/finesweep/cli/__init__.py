"""The command line: one file a command, and what commands share.

A command's heavy imports stand in its body, so that ``finesweep --help`` loads none of them.
"""
