"""The HTTP side: the page, joining and leaving, the rooms, metrics. It never touches audio."""
