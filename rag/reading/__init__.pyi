from .excerpts import excerpt as excerpt
from .origins import Columns as Columns
from .origins import Origin as Origin
from .origins import Skipped as Skipped
from .origins import origins as origins
from .reader import Reading as Reading
from .reader import read as read
from .unreadable import Unreadable as Unreadable
