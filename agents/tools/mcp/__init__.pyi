from .choice import nearest_tool as nearest_tool
from .offer import is_outside as is_outside
from .offer import mcp_catalogue as mcp_catalogue
from .trust import confirm_project as confirm_project
