from .approach import Approach as Approach
from .approach import Prediction as Prediction
from .runner import run_suite as run_suite
from .suite import Suite as Suite
from .suite import load_suite as load_suite
