"""The ground floor: settings, errors, the workspace, datasets and base LLMs. Everyone stands on it."""

import os

import lazy_loader

# Some libraries read these when they are imported, so they are set before anything else of Bakeoff is.
for _name, _value in {
    "ANONYMIZED_TELEMETRY": "False",
    "DO_NOT_TRACK": "1",
    "GOMP_SPINCOUNT": "1000",  # torch's threads wait without spinning: two processes on one machine stay fast
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "LANGSMITH_TRACING": "false",
    "TOKENIZERS_PARALLELISM": "false",
}.items():
    os.environ.setdefault(_name, _value)

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
