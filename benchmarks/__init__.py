"""The benchmarks: taskapi beside its peers, as its table grows, and while everything breaks."""
