from .examples import Dataset as Dataset
from .examples import Example as Example
from .examples import Origin as Origin
from .examples import Split as Split
from .load import load_dataset as load_dataset
from .load import load_split as load_split
from .splits import parse_limit as parse_limit
from .splits import split_dataset as split_dataset
