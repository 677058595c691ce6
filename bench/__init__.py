"""The benchmark: this service, its peers and its floor, in turn, on one machine."""
