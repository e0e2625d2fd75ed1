"""Where trials are run: here, in processes of this machine, on a cluster."""
