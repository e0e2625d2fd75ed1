"""What the web pages of a report and of a search share: drawing, templates, files."""
