from .index import Evidence as Evidence
from .index import Index as Index
from .index import document_index as document_index
from .index import example_index as example_index
from .documents import handbook_folder as handbook_folder
