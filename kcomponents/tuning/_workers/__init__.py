"""Workers: this process, processes on this machine, or actors on a cluster."""
