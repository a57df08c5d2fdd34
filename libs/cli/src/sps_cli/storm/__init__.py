"""The storm: an installation under load while its processes, servers and networks fail on purpose."""
