"""Reports of a search: web page, table, console lines, and their statistics."""
