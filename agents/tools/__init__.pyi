from .catalogue import Catalogue as Catalogue
from .catalogue import offered_tools as offered_tools
from .catalogue import own_tools as own_tools
