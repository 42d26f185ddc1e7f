"""Bakeoff's tests: real weights, real training, real Chroma; only the outside world is played."""

import os

# Before any library reads them: no hub, and none of the developer's own settings or keys.
os.environ["HF_HUB_OFFLINE"] = "1"
for name in [name for name in os.environ if name.startswith("BAKEOFF_") or name.endswith("_API_KEY")]:
    if name != "BAKEOFF_CACHE":
        del os.environ[name]
