from .classifier import Classifier as Classifier
from .hyperparameters import Hyperparameters as Hyperparameters
from .probe import LinearProbe as LinearProbe
from .registry import champion as champion
from .registry import train_or_reuse as train_or_reuse
