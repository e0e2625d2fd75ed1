"""What the recipes share: the command line, data, networks, tables, pictures."""
