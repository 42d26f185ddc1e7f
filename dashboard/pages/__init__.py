"""The pages, in the order in which they stand in the menu; each is loaded when somebody opens it."""

from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Page:
    """A page: the module of its name has a function `show`."""

    path: str
    title: str

    def opened(self) -> None:
        """Draw the page; what the user can mend is one line on it."""
        from dashboard.page import mendable

        with mendable():
            import_module(f"dashboard.pages.{self.path}").show()


PAGES = (
    Page("compare", "Compare"),
    Page("examples", "Examples"),
    Page("knobs", "Knobs"),
    Page("change", "Change"),
    Page("cost", "Cost"),
    Page("agent", "Agent"),
    Page("watch", "Watch"),
)
