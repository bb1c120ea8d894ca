"""The local HTTP interface: who may ask, what is answered, and the page."""
