from .conversation import Conversation as Conversation
from .turn import Turn as Turn
from .graph import build_graph as build_graph
from .router import EmbeddedRouter as EmbeddedRouter
