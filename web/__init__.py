"""The face for browsers and machines: intake, pages, JSON, live streams. Decides nothing, changes nothing by itself."""
