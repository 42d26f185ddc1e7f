"""The dashboard's script, which Streamlit runs for each view of a page."""

from pathlib import Path

import streamlit as st

from dashboard.pages import PAGES

# An icon of our own: for any other, Streamlit would ask a server of fonts.
ICON = Path(__file__).with_name("icon.svg")

st.set_page_config("Bakeoff", ICON, layout="wide", menu_items={"About": "Fine-tune, or retrieve? Measured."})
pages = [
    st.Page(page.opened, title=page.title, url_path=page.path, default=not number) for number, page in enumerate(PAGES)
]
st.navigation(pages, position="top").run()
