"""The part of the command line that judges: eval, runs."""
