from .classifier import Classifier as Classifier
from .hyperparameters import Hyperparameters as Hyperparameters
from .registry import champion as champion
from .registry import train_or_reuse as train_or_reuse
from .telling import Alert as Alert
from .watch import Watch as Watch
