from .origins import Origin as Origin
from .origins import Skipped as Skipped
from .origins import origins as origins
from .reader import Reading as Reading
from .reader import Unreadable as Unreadable
from .reader import read as read
