"""The status page, for a browser that asks ``GET /``: the same facts as the other requests have, to look at.

The markup stands in files beside these modules. It is whole without scripts; ``page.js`` only keeps it up to date.
"""
