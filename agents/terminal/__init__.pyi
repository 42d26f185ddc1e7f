from .chat import chat as chat
from .show import show as show
