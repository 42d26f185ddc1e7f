"""The part of the command line that fine-tunes: train, sweep, classifier, watch."""
