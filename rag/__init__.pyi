from .index import Index as Index
from .index import document_index as document_index
from .index import example_index as example_index
from .handbook import handbook_folder as handbook_folder
from .passages import Evidence as Evidence
from .passages import Passage as Passage
from .passages import example_passages as example_passages
