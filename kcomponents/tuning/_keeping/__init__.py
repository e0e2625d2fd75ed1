"""Where a search is kept, so that nothing of it is lost or mixed up."""
