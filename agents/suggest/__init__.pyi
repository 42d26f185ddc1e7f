from .foresight import Foresight as Foresight
from .foresight import Warned as Warned
from .suggester import Suggester as Suggester
from .suggester import Suggestion as Suggestion
